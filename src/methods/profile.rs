//! Parameters that were calibrated for one model. They take the place of the registry's defaults; what a caller gives
//! comes first. `attnscope calibrate` makes a profile.

use super::Value;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The profiles that come with the crate.
const SHIPPED: [&str; 1] = [include_str!("../../data/profiles/smollm2-135m-instruct.json")];

/// Which model a profile is for: files of any precision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelKey {
    /// `general.name` of the file.
    pub name: String,
    /// Layers.
    pub layers: u32,
    /// Width of the residual stream.
    pub width: u32,
    /// Token ids.
    pub vocabulary: u32,
}

/// Calibrated parameters of a model's methods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// For which model.
    pub model: ModelKey,
    /// Values by method and parameter.
    pub params: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Profile {
    /// The shipped profile of a model, or one without values.
    #[must_use]
    pub fn of(model: ModelKey) -> Profile {
        let shipped =
            SHIPPED.iter().filter_map(|text| Profile::parse(text).ok()).find(|profile| profile.model == model);
        shipped.unwrap_or(Profile { model, params: BTreeMap::new() })
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// [`Error::File`] with what is wrong in it.
    pub fn parse(text: &str) -> Result<Profile> {
        serde_json::from_str(text).map_err(|e| Error::File { what: "profile".to_owned(), why: e.to_string() })
    }

    /// What a method gets: the profile's values for it, then those given, of which the last of a name counts.
    #[must_use]
    pub fn with(&self, method: &str, given: &[(String, Value)]) -> Vec<(String, Value)> {
        let own = self.params.get(method).into_iter().flatten();
        let own = own.filter(|(name, _)| !given.iter().any(|(other, _)| other == *name));
        own.map(|(name, value)| (name.clone(), value.clone())).chain(given.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_profiles_are_sound_and_what_is_given_comes_first() {
        for text in SHIPPED {
            let profile = Profile::parse(text).unwrap();
            assert_eq!(Profile::of(profile.model.clone()), profile);
            for (method, params) in &profile.params {
                let given: Vec<_> = params.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
                let shape = super::super::Shape { layers: profile.model.layers };
                super::super::build(method, &given, &shape).map(|_| ()).unwrap();
                let (name, value) = &given[0];
                assert_eq!(
                    profile.with(method, &[(name.clone(), Value::Flag(true))])[given.len() - 1].1,
                    Value::Flag(true)
                );
                assert_eq!(profile.with(method, &[]), given, "{name} = {value}");
            }
        }
        let other = ModelKey { name: "another".to_owned(), layers: 30, width: 576, vocabulary: 49152 };
        assert!(Profile::of(other).with("tidal_decode", &[]).is_empty());
        assert_eq!(Profile::parse("{").unwrap_err().code(), "file");
    }
}
