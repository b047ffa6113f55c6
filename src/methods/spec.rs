//! What names a method: a row of the registry with parameters, or a row for each role. One value for the command line,
//! JavaScript and JSON: a name stands for itself with defaults, as in `"h2o"` or
//! `{"retain": "snap_kv", "select": {"name": "quest", "params": {"budget": 64}}}`.

use super::{Role, Value};
use crate::Error;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::{collections::BTreeMap, fmt, marker::PhantomData, str::FromStr};

/// A row of the registry and its parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    /// Name of the row.
    pub name: String,
    /// Parameters; those not given take their default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
}

/// A part for every role that does not keep its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Roles {
    /// What a prompt reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill: Option<Part>,
    /// What other passes read; without `prefill`, also what a prompt reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select: Option<Part>,
    /// What is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<Part>,
    /// What is run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Part>,
}

/// A method to run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Spec {
    /// A row as it is, in all its roles.
    Method(Part),
    /// A row for each role.
    Roles(Roles),
}

impl Part {
    /// A row with parameters.
    #[must_use]
    pub fn new(name: &str, params: &[(String, Value)]) -> Part {
        Part { name: name.to_owned(), params: params.iter().cloned().collect() }
    }
}

impl Roles {
    /// What fills a role.
    #[must_use]
    pub fn get(&self, role: Role) -> Option<&Part> {
        match role {
            Role::Prefill => self.prefill.as_ref(),
            Role::Select => self.select.as_ref(),
            Role::Retain => self.retain.as_ref(),
            Role::Schedule => self.schedule.as_ref(),
        }
    }

    /// The same, to change.
    pub fn get_mut(&mut self, role: Role) -> &mut Option<Part> {
        match role {
            Role::Prefill => &mut self.prefill,
            Role::Select => &mut self.select,
            Role::Retain => &mut self.retain,
            Role::Schedule => &mut self.schedule,
        }
    }
}

impl Spec {
    /// All its parts.
    #[must_use]
    pub fn parts(&self) -> Vec<&Part> {
        match self {
            Spec::Method(part) => vec![part],
            Spec::Roles(roles) => Role::ALL.iter().filter_map(|role| roles.get(*role)).collect(),
        }
    }

    /// All its parts, to change.
    pub fn parts_mut(&mut self) -> Vec<&mut Part> {
        match self {
            Spec::Method(part) => vec![part],
            Spec::Roles(Roles { prefill, select, retain, schedule }) => {
                [prefill, select, retain, schedule].into_iter().flatten().collect()
            }
        }
    }
}

impl Default for Spec {
    fn default() -> Spec {
        Spec::from("full".to_owned())
    }
}

impl From<String> for Part {
    fn from(name: String) -> Part {
        Part { name, params: BTreeMap::new() }
    }
}

impl From<String> for Spec {
    fn from(name: String) -> Spec {
        Spec::Method(name.into())
    }
}

/// A name, or roles as [`Display`](fmt::Display) writes them; parameters are not part of it.
impl FromStr for Spec {
    type Err = Error;
    fn from_str(text: &str) -> crate::Result<Spec> {
        if !text.contains('=') {
            return Ok(text.to_owned().into());
        }
        let mut roles = Roles::default();
        for pair in text.split_whitespace() {
            let role = pair
                .split_once('=')
                .and_then(|(role, name)| Some((Role::ALL.into_iter().find(|r| r.name() == role)?, name)));
            let (role, name) = role.ok_or_else(|| Error::Param {
                name: "method".to_owned(),
                got: pair.to_owned(),
                allowed: "ROLE=NAME with a role of prefill, select, retain, schedule".to_owned(),
            })?;
            *roles.get_mut(role) = Some(name.to_owned().into());
        }
        Ok(Spec::Roles(roles))
    }
}

/// As people read it: `h2o`, or `prefill=flex_prefill select=quest`.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spec::Method(part) => f.write_str(&part.name),
            Spec::Roles(roles) => roles.fmt(f),
        }
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = Role::ALL.iter().filter_map(|role| Some(format!("{}={}", role.name(), self.get(*role)?.name)));
        f.write_str(&parts.collect::<Vec<_>>().join(" "))
    }
}

/// The keys of a [`Part`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartKeys {
    name: String,
    #[serde(default)]
    params: BTreeMap<String, Value>,
}

/// The keys of a [`Spec`]: those of a part, or roles.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecKeys {
    name: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, Value>,
    prefill: Option<Part>,
    select: Option<Part>,
    retain: Option<Part>,
    schedule: Option<Part>,
}

impl TryFrom<PartKeys> for Part {
    type Error = &'static str;
    fn try_from(PartKeys { name, params }: PartKeys) -> Result<Part, Self::Error> {
        Ok(Part { name, params })
    }
}

impl TryFrom<SpecKeys> for Spec {
    type Error = &'static str;
    fn try_from(keys: SpecKeys) -> Result<Spec, Self::Error> {
        let SpecKeys { name, params, prefill, select, retain, schedule } = keys;
        let roles = Roles { prefill, select, retain, schedule };
        match name {
            Some(name) if roles == Roles::default() => Ok(Spec::Method(Part { name, params })),
            None if params.is_empty() => Ok(Spec::Roles(roles)),
            Some(_) => Err("a method is a name with params or a part for each role, not both"),
            None => Err("params go with a name; give each role its own"),
        }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Part, D::Error> {
        from.deserialize_any(NameOr::<Part, PartKeys>(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Spec, D::Error> {
        from.deserialize_any(NameOr::<Spec, SpecKeys>(PhantomData))
    }
}

/// Reads a `T` from its name alone or from an object with `Keys`.
struct NameOr<T, Keys>(PhantomData<(T, Keys)>);

impl<'de, T, Keys> de::Visitor<'de> for NameOr<T, Keys>
where
    T: From<String> + TryFrom<Keys, Error = &'static str>,
    Keys: Deserialize<'de>,
{
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a method, or an object with names and params")
    }
    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        Ok(name.to_owned().into())
    }
    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        Keys::deserialize(de::value::MapAccessDeserializer::new(map))?.try_into().map_err(de::Error::custom)
    }
}
