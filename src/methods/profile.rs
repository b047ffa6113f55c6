//! Parameters that were calibrated for one model. They take the place of the registry's defaults; what a caller gives
//! comes first. `attnscope calibrate` makes a profile.

use super::{Spec, Value};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

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

impl fmt::Display for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ModelKey { name, layers, width, vocabulary } = self;
        write!(f, "{name} ({layers} layers, width {width}, {vocabulary} tokens)")
    }
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

    /// The method with this profile's values where it has none of its own.
    #[must_use]
    pub fn fill(&self, spec: &Spec) -> Spec {
        let mut spec = spec.clone();
        for part in spec.parts_mut() {
            for (name, value) in self.params.get(&part.name).into_iter().flatten() {
                part.params.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        spec
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Part, Shape},
        *,
    };

    #[test]
    fn shipped_profiles_are_sound_and_what_is_given_comes_first() {
        for text in SHIPPED {
            let profile = Profile::parse(text).unwrap();
            assert_eq!(Profile::of(profile.model.clone()), profile);
            for (method, params) in &profile.params {
                let bare = Spec::Method(Part::new(method, &[]));
                let Spec::Method(filled) = profile.fill(&bare) else { panic!("still one part") };
                assert_eq!(&filled.params, params);
                Spec::Method(filled).build(&Shape { layers: profile.model.layers }).map(|_| ()).unwrap();
                let own: Vec<_> = params.keys().map(|name| (name.clone(), Value::Flag(true))).collect();
                let given = Spec::Method(Part::new(method, &own));
                assert_eq!(profile.fill(&given), given);
            }
        }
        let other = ModelKey { name: "another".to_owned(), layers: 30, width: 576, vocabulary: 49152 };
        let tidal = Spec::Method(Part::new("tidal_decode", &[]));
        assert_eq!(Profile::of(other).fill(&tidal), tidal);
        assert_eq!(Profile::parse("{").unwrap_err().code(), "file");
    }
}
