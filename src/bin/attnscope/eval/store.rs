//! Finished cases, a JSON object a line, so that an interrupted evaluation goes on where it was.

use super::{counter::Cost, run::Speed, suite::Suite, values::Values};
use crate::Failure;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A finished case of a setting.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record {
    /// Hash of all that the result depends on.
    pub key: String,
    /// The suite.
    pub suite: Suite,
    /// Label of the setting.
    pub setting: String,
    /// Name of the case.
    pub case: String,
    /// Tokens asked for.
    pub length: u32,
    /// Where the answer was in the prompt.
    pub depth: Option<f64>,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// The metrics.
    pub values: Values,
    /// What it cost.
    pub cost: Cost,
    /// How fast it was.
    pub speed: Speed,
    /// The last answer, when the model wrote it.
    pub text: Option<Vec<u32>>,
}

/// The file.
pub struct Store {
    path: PathBuf,
    file: Mutex<File>,
    done: HashMap<String, Record>,
}

impl Store {
    /// Opens or makes the file. A line that was cut short or damaged is as if it had not been written.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub fn open(path: &Path) -> Result<Store, Failure> {
        let fail = |why: std::io::Error| Failure::file(path.display(), why);
        let text = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.map_err(fail)?,
        };
        let records = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Record>(line).ok());
        let done = records.map(|record| (record.key.clone(), record)).collect();
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
        if text.last().is_some_and(|byte| *byte != b'\n') {
            file.write_all(b"\n").map_err(fail)?;
        }
        Ok(Store { path: path.to_owned(), file: Mutex::new(file), done })
    }

    /// The record of a key, if its case is finished.
    pub fn get(&self, key: &str) -> Option<&Record> {
        self.done.get(key)
    }

    /// Appends a record, whole or, when this program ends here, not readable.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub fn add(&self, record: &Record) -> Result<(), Failure> {
        let fail = |why: &dyn std::fmt::Display| Failure::file(self.path.display(), why);
        let line = serde_json::to_string(record).map_err(|e| fail(&e))? + "\n";
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).map_err(|e| fail(&e))
    }
}

/// Hash of a value, in hexadecimal.
///
/// # Errors
/// [`Failure::File`] for a value that JSON cannot hold.
pub fn key(value: &impl Serialize) -> Result<String, Failure> {
    let json = serde_json::to_vec(value).map_err(|why| Failure::file("the key of a case", why))?;
    Ok(hex(&Sha256::digest(json)[..16]))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str) -> Record {
        Record {
            key: key.to_owned(),
            suite: Suite::Text,
            setting: "full".to_owned(),
            case: "a".to_owned(),
            length: 5,
            depth: None,
            prompt_tokens: 5,
            values: Values::from([("kl".to_owned(), vec![0.125, 3.0])]),
            cost: Cost::default(),
            speed: Speed::default(),
            text: Some(vec![1, 2]),
        }
    }

    #[test]
    fn a_damaged_last_line_is_run_again_and_the_rest_is_kept() {
        let path = std::env::temp_dir().join(format!("attnscope-store-{}.jsonl", std::process::id()));
        let _ = fs::remove_file(&path);
        let store = Store::open(&path).unwrap();
        ["a", "b", "c"].iter().for_each(|key| store.add(&record(key)).unwrap());
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 30]).unwrap();

        let store = Store::open(&path).unwrap();
        assert_eq!((store.get("a"), store.get("b")), (Some(&record("a")), Some(&record("b"))));
        assert!(store.get("c").is_none());
        store.add(&record("c")).unwrap();
        let store = Store::open(&path).unwrap();
        assert_eq!(["a", "b", "c"].map(|key| store.get(key) == Some(&record(key))), [true; 3]);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn keys_differ_with_what_they_stand_for() {
        assert_eq!(key(&(1, "a")).unwrap(), key(&(1, "a")).unwrap());
        assert_ne!(key(&(1, "a")).unwrap(), key(&(2, "a")).unwrap());
    }
}
