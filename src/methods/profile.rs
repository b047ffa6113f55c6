//! Parameters that were calibrated for one model. They take the place of the registry's defaults; what a caller gives
//! comes first. `attnscope calibrate` makes a profile.

use super::{Shape, Spec, Value};
use crate::{Error, Result, method::Method};
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

    /// The same, ready to run.
    ///
    /// # Errors
    /// As [`Spec::build`]; an error about a value of this profile says whose it is.
    pub fn build(&self, spec: &Spec, shape: &Shape) -> Result<Method> {
        self.fill(spec).build(shape).map_err(|error| match error {
            Error::Param { name, got, allowed } if self.gave(&name, spec) => {
                Error::Param { name, got: format!("{got}, by the model's profile,"), allowed }
            }
            error => error,
        })
    }

    /// Whether the value of `method.parameter` is not the caller's, in any role, but this profile's.
    fn gave(&self, name: &str, spec: &Spec) -> bool {
        let Some((method, param)) = name.split_once('.') else { return false };
        let given = spec.parts().into_iter().any(|part| part.name == method && part.params.contains_key(param));
        !given && self.params.get(method).is_some_and(|params| params.contains_key(param))
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

    #[test]
    fn an_error_says_when_the_value_is_not_the_callers() {
        let profile = Profile::parse(SHIPPED[0]).unwrap();
        let late = |more: &[(String, Value)]| {
            let given = [&[("start_layer".to_owned(), Value::Number(20.0))], more].concat();
            profile.build(&Spec::method("tidal_decode", &given), &Shape { layers: 30 }).map(|_| ()).unwrap_err()
        };
        let own = late(&[("reselect_layers".to_owned(), Value::List(vec![10.0]))]);
        let (own, filled) = (own.to_string(), late(&[]).to_string());
        assert!(filled.contains("reselect_layers") && filled.contains("by the model's profile"), "{filled}");
        assert!(own.contains("reselect_layers") && !own.contains("profile"), "{own}");
    }
}
