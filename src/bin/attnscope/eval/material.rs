//! What prompts are made of: word lists, texts and seeds, those that are reported and those to choose parameters by.

use serde::Deserialize;

const LISTS: &str = include_str!("../../../../docs/evaluation/prompts.json");
const TEXTS: [(&str, &str); 4] = [
    ("sherlock", include_str!("../../../../docs/evaluation/texts/sherlock.txt")),
    ("opticks", include_str!("../../../../docs/evaluation/texts/opticks.txt")),
    ("sawyer", include_str!("../../../../docs/evaluation/texts/sawyer.txt")),
    ("moby", include_str!("../../../../docs/evaluation/texts/moby.txt")),
];

/// Prompts that are reported, or others to choose parameters by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Split {
    /// The reported ones
    #[default]
    Report,
    /// Those to choose parameters by
    Tune,
}

impl Split {
    /// Its name.
    pub fn name(self) -> &'static str {
        if self == Split::Report { "report" } else { "tune" }
    }
}

/// What the prompts of one split are made of.
#[derive(Debug, Deserialize)]
pub struct Material {
    /// Sentences that say nothing, in groups.
    pub fillers: Vec<Vec<String>>,
    /// People who have a key.
    pub people: Vec<String>,
    /// Things that have a number.
    pub things: Vec<String>,
    /// Questions and answers of a chat.
    pub talk: Vec<[String; 2]>,
    /// Names of its texts.
    pub texts: Vec<String>,
    /// Seed of all its prompts.
    pub seed: u64,
}

impl Material {
    /// The material of a split.
    ///
    /// # Errors
    /// When the file that was built in is damaged, in words.
    pub fn of(split: Split) -> Result<Material, String> {
        #[derive(Deserialize)]
        struct Lists {
            report: Material,
            tune: Material,
        }
        let lists: Lists = serde_json::from_str(LISTS).map_err(|e| e.to_string())?;
        Ok(if split == Split::Report { lists.report } else { lists.tune })
    }
}

/// A text by its name; empty when there is none.
pub fn text(name: &str) -> &'static str {
    TEXTS.iter().find(|text| text.0 == name).map_or("", |text| text.1)
}
