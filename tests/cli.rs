//! The command line: what it prints, and what it says to bad input.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use common::tiny;
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

fn attnscope(args: &[&str]) -> (bool, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_attnscope")).args(args).env_remove("ATTNSCOPE_MODEL").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.success(), text(out.stdout), text(out.stderr))
}

/// A file of the test's own folder.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn json_has_ids_text_steps_and_speeds() {
    let model = file("json.gguf", &tiny::file());
    let ids = file("ids.json", b"[65, 66, 67, 68]");
    let args =
        ["generate", "--model", model.to_str().unwrap(), "--ids", ids.to_str().unwrap(), "--json", "--ignore-eos"];
    let (ok, out, err) =
        attnscope(&[&args[..], &["--max-tokens", "6", "--method", "lru", "--param", "budget=5"]].concat());
    assert!(ok, "{err}");
    let run: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(run["ids"].as_array().unwrap().len(), 6);
    assert!(run["text"].is_string());
    let last = run["steps"].as_array().unwrap().last().unwrap();
    // Read 5 rows and its own; kept 5; 5 rows of 2 x 16 f16 numbers in 3 layers x 2 KV heads.
    assert_eq!(
        (last["read"].as_f64(), last["kept"].as_f64(), last["kv_bytes"].as_u64()),
        (Some(6.0), Some(5.0), Some(5 * 64 * 6))
    );
    assert!(run["prefill_tps"].as_f64().unwrap() > 0.0 && run["decode_tps"].as_f64().unwrap() > 0.0);
}

#[test]
fn roles_may_come_from_several_methods() {
    let (model, ids) = (file("roles.gguf", &tiny::file()), file("roles.json", b"[65, 66, 67, 68, 69, 70, 71, 72]"));
    let args = ["generate", "--model", model.to_str().unwrap(), "--ids", ids.to_str().unwrap(), "--ignore-eos"];
    let roles = ["--retain", "fifo", "--param", "retain.budget=5", "--select", "quest", "--param", "select.budget=2"];
    let quest = [
        "--param",
        "select.page=1",
        "--param",
        "select.share=query_head",
        "--param",
        "select.dense_layers=0",
        "--param",
        "select.recent=0",
    ];
    let (ok, out, err) = attnscope(&[&args[..], &roles, &quest, &["--max-tokens", "6", "--json"]].concat());
    assert!(ok, "{err}");
    let run: Value = serde_json::from_str(&out).unwrap();
    let last = run["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((last["read"].as_f64(), last["kept"].as_f64()), (Some(2.0), Some(5.0)));
    let (ok, _, err) = attnscope(&[&args[..], &roles, &quest, &["--max-tokens", "6"]].concat());
    assert!(ok && err.contains("select=quest retain=fifo: 8 prompt tokens"), "{err}");
}

#[test]
fn advice_and_budgets_fit_memory() {
    let model = file("advise.gguf", &tiny::file());
    let model = model.to_str().unwrap();
    let ask = ["advise", "--model", model, "--memory", "80kB", "--context", "400", "--generate", "100"];
    let (ok, out, err) = attnscope(&[&ask[..], &["--json"]].concat());
    assert!(ok, "{err}");
    let advice: Value = serde_json::from_str(&out).unwrap();
    let taken = advice["advice"].as_array().unwrap().iter().find(|one| one["advised"] == true).unwrap();
    assert!(taken["account"]["bytes"].as_u64().unwrap() <= 80_000, "{taken}");
    let (ok, out, _) = attnscope(&ask);
    assert!(
        ok && out.contains("take this")
            && out.contains("claimed, arXiv 2404.14469, abstract: 3.6")
            && out.contains("rows x 64 bytes of a key and a value x 2 KV heads x 3 layers")
    );
    let ids = file("fit.json", b"[65, 66, 67, 68]");
    let run = ["generate", "--model", model, "--ids", ids.to_str().unwrap(), "--ignore-eos", "--max-tokens", "60"];
    let fit = ["--method", "fifo", "--memory", "20kB", "--context", "100", "--shadow", "4", "--guard", "--json"];
    let (ok, out, err) = attnscope(&[&run[..], &fit].concat());
    assert!(ok, "{err}");
    let run: Value = serde_json::from_str(&out).unwrap();
    // 88 tokens of prompt: 34 rows of 384 bytes, and of one layer 54 rows of 128 bytes more before its cut.
    assert_eq!(run["method"]["params"]["budget"].as_f64(), Some(33.0), "{run}");
    assert_eq!(run["steps"].as_array().unwrap().last().unwrap()["kept"].as_f64(), Some(33.0));
    assert!(run["missed"].is_null() && run["guard"].as_array().unwrap().is_empty());
}

#[test]
fn methods_are_listed_with_their_parameters() {
    let (ok, out, _) = attnscope(&["methods"]);
    assert!(ok && out.contains("tidal_decode") && out.contains("top_k = 256"));
    let (_, out, _) = attnscope(&["methods", "--json"]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), attnscope::methods::REGISTRY.len());
}

/// Every example in the help is understood: all that is wrong with it is that its model file is not there.
#[test]
fn help_has_examples() {
    let mut run = 0;
    for args in [&["--help"][..], &["generate", "--help"], &["eval", "--help"], &["advise", "--help"]] {
        let (ok, out, _) = attnscope(args);
        let examples = out.split_once("Examples:\n").unwrap_or_else(|| panic!("{args:?} has none")).1;
        for line in examples.lines().filter_map(|line| line.trim().strip_prefix("attnscope ")) {
            // Words, or a text in quotes.
            let words = line.split('\'').enumerate().flat_map(|(i, part)| match i % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            });
            let (ok, _, err) = attnscope(&words.collect::<Vec<_>>());
            assert!(ok || err.contains("model file: smollm2.gguf"), "{line}: {err}");
            run += 1;
        }
        assert!(ok);
    }
    assert!(run >= 11, "{run} examples");
}

/// A small plan for the tiny model: budgets, a text that must be another's, two suites with prompts and two with texts.
const PLAN: &str = r#"{
    "sizes": {"lengths": [400, 500], "cases": 2, "prompt": 300, "answer": 12, "long": [600]},
    "settings": [
        {"label": "full", "method": {"name": "full"}, "suites": ["passkey", "keys", "text", "speed"]},
        {"label": "kept {}", "method": {"name": "streaming_llm", "params": {"recent": {"share": 1, "less": 4}}},
            "budgets": [0.25], "suites": ["passkey", "text"]},
        {"label": "8 bits", "method": {"name": "quant_spec", "params": {"gamma": 0}}, "suites": ["speed"]},
        {"label": "guesses", "method": {"name": "quant_spec"}, "suites": ["speed"], "same_text_as": "8 bits"}
    ]}"#;

#[test]
fn an_evaluation_reports_and_goes_on_where_it_was() {
    let (model, plan) = (file("eval.gguf", &tiny::file()), file("plan.json", PLAN.as_bytes()));
    let out = plan.with_extension("out");
    let _ = fs::remove_dir_all(&out);
    let eval = |more: &[&str]| {
        let paths = [&model, &plan, &out].map(|path| path.to_str().unwrap());
        attnscope(&[&["eval", "--model", paths[0], "--plan", paths[1], "--out", paths[2]], more].concat())
    };
    let (ok, json, err) = eval(&["--json"]);
    assert!(ok, "{err}");
    let reports: Vec<Value> = serde_json::from_str(&json).unwrap();
    let names: Vec<_> = reports.iter().map(|report| report["suite"].as_str().unwrap()).collect();
    assert_eq!(names, ["passkey", "keys", "text", "speed"]);
    let row = |suite: usize, label: &str| {
        reports[suite]["settings"].as_array().unwrap().iter().find(|row| row["label"] == label).unwrap().clone()
    };
    // Against itself nothing is lost; a quarter of the rows of the prompt is a quarter of its bytes, and something is.
    let (full, kept) = (row(2, "full"), row(2, "kept 25 %"));
    assert_eq!(
        (full["metrics"]["kl"]["worst"].as_f64(), full["metrics"]["kl"]["count"].as_u64()),
        (Some(0.0), Some(24))
    );
    assert_eq!((full["cost"]["stored_share"].as_f64(), full["cost"]["ceiling"].as_f64()), (Some(1.0), Some(1.0)));
    assert!(kept["metrics"]["kl"]["mean"].as_f64().unwrap() > 0.0);
    let share = kept["cost"]["stored_share"].as_f64().unwrap();
    assert!((share - 75.0 / 311.0).abs() < 1e-9, "{share}");
    assert_eq!(row(0, "full")["cases"], 4);
    let guesses = row(3, "guesses");
    assert_eq!(guesses["metrics"]["same_text"]["mean"], 1.0);
    assert!(guesses["cost"]["guesses"].as_f64().unwrap() > 0.0);

    // All is there: nothing is run, and speeds, which never repeat, are the same.
    let (_, again, _) = eval(&["--json"]);
    assert!(again == json, "{again}");
    // A line is cut short: that case alone is run again.
    let store = out.join("cases.jsonl");
    let lines = fs::read_to_string(&store).unwrap();
    fs::write(&store, &lines[..lines.len() - 40]).unwrap();
    let (ok, csv, err) = eval(&["--csv"]);
    assert!(ok, "{err}");
    assert_eq!(fs::read_to_string(&store).unwrap().lines().count(), lines.lines().count() + 1);
    assert_eq!(csv.lines().count(), 1 + lines.lines().count());
    for name in ["text.json", "passkey.svg", "kl.svg", "bytes.svg"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let (ok, _, err) = eval(&["--only", "nothing"]);
    assert!(!ok && err.contains("--only"), "{err}");
}

#[test]
fn a_part_of_an_evaluation_is_merged_into_the_report_that_is_there() {
    let (model, plan) = (file("merge.gguf", &tiny::file()), file("merge.json", PLAN.as_bytes()));
    let out = plan.with_extension("out");
    let _ = fs::remove_dir_all(&out);
    let eval = |more: &[&str]| {
        let paths = [&model, &plan, &out].map(|path| path.to_str().unwrap());
        let args = ["eval", "--model", paths[0], "--plan", paths[1], "--out", paths[2], "--suite", "speed"];
        let (ok, _, err) = attnscope(&[&args[..], more].concat());
        let report = fs::read_to_string(out.join("speed.json")).unwrap();
        let rows = serde_json::from_str::<Value>(&report).unwrap()["settings"].take();
        (ok.then_some(()).ok_or(err), rows.as_array().unwrap().clone())
    };
    let told = |rows: &[Value]| {
        let words =
            rows.iter().map(|row| [&row["label"], &row["commit"]].map(|text| text.as_str().unwrap().to_owned()));
        words.map(|words| words.join(" ")).collect::<Vec<_>>()
    };
    let (done, before) = eval(&["--commit", "one"]);
    assert_eq!((done, told(&before)), (Ok(()), ["full one", "8 bits one", "guesses one"].map(str::to_owned).to_vec()));
    // Full attention comes along; the other row stays as it was.
    let (done, now) = eval(&["--commit", "two", "--only", "8 BITS"]);
    assert_eq!((done, told(&now)), (Ok(()), ["full two", "8 bits two", "guesses one"].map(str::to_owned).to_vec()));
    assert_eq!(before[2], now[2]);
    // Fewer cases: nothing is run, nothing is written, until it is asked for.
    let fewer = ["--commit", "three", "--only", "8 bits", "--cases", "1"];
    let (done, same) = eval(&fewer);
    assert!(done.as_ref().is_err_and(|why| why.contains("\"guesses\"") && why.contains("--fresh")), "{done:?}");
    assert_eq!(same, now);
    let (done, anew) = eval(&[&fewer[..], &["--fresh"]].concat());
    assert_eq!((done, told(&anew)), (Ok(()), ["full three", "8 bits three"].map(str::to_owned).to_vec()));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (model, ids) = (file("pipe.gguf", &tiny::file()), file("pipe.json", b"[65, 66, 67, 68]"));
    let (model, ids) = (model.to_str().unwrap(), ids.to_str().unwrap());
    let generate = ["generate", "--model", model, "--ids", ids, "--ignore-eos", "--max-tokens", "300"];
    for args in [&["methods"][..], &["methods", "--json"], &generate] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_attnscope"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        let err = String::from_utf8(out.stderr).unwrap();
        assert!(out.status.success() && !err.contains("panic") && !err.contains("error"), "{args:?}: {err}");
    }
}

#[test]
fn bad_input_is_told_what_is_allowed() {
    let whole = tiny::file();
    let model = file("sound.gguf", &whole);
    let cut = file("cut.gguf", &whole[..whole.len() - 100]);
    let wrong = file("wrong.gguf", b"<!doctype html> this is no model");
    let no_ids = file("no-ids.json", b"{\"ids\": 1}");
    let m = model.to_str().unwrap();
    let generate = |more: &[&str]| attnscope(&[&["generate", "--max-tokens", "2"], more].concat());
    let cases: [(&[&str], &[&str]); 21] = [
        (&["--model", "nowhere.gguf", "--prompt", "a"], &["nowhere.gguf"]),
        (&["--model", wrong.to_str().unwrap(), "--prompt", "a"], &["no GGUF file"]),
        (&["--model", cut.to_str().unwrap(), "--prompt", "a"], &["cut short", "blk.2.ffn_down.weight"]),
        (&["--model", m, "--prompt", "a", "--method", "magic"], &["magic", "full, streaming_llm"]),
        (&["--model", m, "--prompt", "a", "--method", "h2o", "--param", "size=3"], &["size", "heavy, recent"]),
        (&["--model", m, "--prompt", "a", "--method", "h2o", "--param", "recent=0"], &["h2o.recent", "from 1 to"]),
        (&["--model", m, "--prompt", "a", "--method", "fifo", "--param", "budget=0"], &["fifo.budget", "from 1 to"]),
        (&["--model", m, "--prompt", "a", "--param", "recent"], &["NAME=VALUE"]),
        (&["--model", m, "--prompt", "a", "--retain", "h3o"], &["h3o", "full, streaming_llm"]),
        (&["--model", m, "--prompt", "a", "--retain", "quest"], &["no retain role", "h2o, tova"]),
        (&["--model", m, "--prompt", "a", "--retain", "h2o", "--param", "recent=3"], &["ROLE.NAME=VALUE"]),
        (&["--model", m, "--prompt", "a", "--retain", "h2o", "--param", "select.top_k=3"], &["a role that is given"]),
        (&["--model", m, "--prompt", "a", "--retain", "h2o", "--method", "h2o"], &["cannot be used with"]),
        (&["--model", m, "--prompt", "a", "--memory", "1 acre"], &["1 acre", "MiB"]),
        (&["--model", m, "--prompt", "a", "--memory", "10"], &["bytes or more for full"]),
        (&["--model", m, "--prompt", "a", "--guard=speed=3"], &["speed=3", "recall, error, acceptance or noise"]),
        (&["--model", m, "--prompt", ""], &["prompt is empty"]),
        (&["--model", m, "--prompt", &"x".repeat(1500)], &["1500 prompt tokens", "1024"]),
        (&["--model", m, "--ids", no_ids.to_str().unwrap()], &["JSON array"]),
        (&["--model", m, "--chat", "a"], &["chat template", "--prompt"]),
        (&["--model", m], &["--prompt", "--ids"]),
    ];
    for (args, said) in cases {
        let (ok, out, err) = generate(args);
        assert!(!ok && out.is_empty(), "{args:?} printed {out}");
        for part in said {
            assert!(err.contains(part), "{args:?}: {err}");
        }
    }
}

#[test]
fn calibration_takes_texts_and_questions() {
    let model = file("calibrate.gguf", &tiny::file());
    let sound = file("questions.json", br#"[{"prompt": "abcdefgh", "answer": "ij"}]"#);
    let (wrong, empty) =
        (file("wrong.json", br#"[{"question": "a"}]"#), file("empty.json", br#"[{"prompt": "a", "answer": ""}]"#));
    let text = file("short.txt", b"short");
    let run = |more: &[&str]| attnscope(&[&["calibrate", "--model", model.to_str().unwrap()], more].concat());
    for (flag, path, said) in [
        // The tiny model has three layers: what was read is sound, there is nothing to choose.
        ("--questions", &sound, "more than 3 layers"),
        ("--questions", &wrong, "unknown field `question`"),
        ("--questions", &empty, "does not begin with a token of its own"),
        ("--text", &text, "1088 are needed"),
    ] {
        let (ok, _, err) = run(&[flag, path.to_str().unwrap()]);
        assert!(!ok && err.contains(said), "{}: {err}", path.display());
    }
    let real = common::model_path();
    let known = file("known.json", br#"[{"prompt": "One, two, three, four, five, six,", "answer": " seven"}]"#);
    let args = ["calibrate", "--model", real.to_str().unwrap(), "--questions", known.to_str().unwrap()];
    let (ok, out, err) = attnscope(&args);
    assert!(ok, "{err}");
    let profile: Value = serde_json::from_str(&out).unwrap();
    let layer = profile["params"]["tidal_decode"]["reselect_layers"][0].as_f64().unwrap();
    // The layer it reports as the one that loses least, of all that were tried.
    let lost = err.lines().filter_map(|line| line.strip_prefix("layer ")?.split_once(": KL at most "));
    let lost: Vec<(f64, f64)> = lost
        .map(|(layer, kl)| (layer.trim().parse().unwrap(), kl.split(' ').next().unwrap().parse().unwrap()))
        .collect();
    let least = lost.iter().map(|one| one.1).fold(f64::MAX, f64::min);
    assert!(lost.len() == 27 && lost.contains(&(layer, least)), "{layer} of {lost:?}");
    assert_eq!(profile["params"]["round_attention"]["watershed_layer"], 17.0, "what was not asked for stays");
    let foreign =
        run(&["--questions", sound.to_str().unwrap(), "--profile", "data/profiles/smollm2-135m-instruct.json"]);
    assert!(
        !foreign.0 && foreign.2.contains("calibrated for Smollm2 135M 8k Lc100K Mix1 Ep2 (30 layers, width 576"),
        "{}",
        foreign.2
    );
    let (ok, _, err) = run(&[]);
    assert!(!ok && err.contains("at least one of --text FILE, --questions FILE and --chats FILE"), "{err}");
}
