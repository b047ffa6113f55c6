//! Metadata of a model file: typed values by key, read through getters whose errors name the key.

use super::{Numbers, Strings, bad};
use crate::Result;
use std::collections::BTreeMap;

/// A metadata value. Integers and floats are widened.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An unsigned integer.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// A float.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Text.
    String(String),
    /// An array of texts.
    Strings(Strings),
    /// An array of numbers.
    Numbers(Numbers),
}

impl Value {
    fn type_name(&self) -> &'static str {
        match self {
            Value::Unsigned(_) | Value::Signed(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bool(_) => "a bool",
            Value::String(_) => "a string",
            Value::Strings(_) => "an array of strings",
            Value::Numbers(_) => "an array of numbers",
        }
    }

    /// The value as an integer, if it is one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Value::Unsigned(value) => i64::try_from(value).ok(),
            Value::Signed(value) => Some(value),
            _ => None,
        }
    }
}

/// All metadata of a file. Getters without `_or` refuse a missing key; all refuse a wrong type or range.
///
/// Errors are [`Error::File`](crate::Error::File) with the key and what it needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    entries: BTreeMap<String, Value>,
}

impl Metadata {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) if the key is there already.
    pub fn insert(&mut self, key: String, value: Value) -> Result<()> {
        if self.entries.contains_key(&key) {
            return Err(bad(key, "the key appears twice"));
        }
        self.entries.insert(key, value);
        Ok(())
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// No entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    fn typed<'a, T>(&'a self, key: &str, wants: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<T> {
        self.optional(key, wants, read)?.ok_or_else(|| bad(key, format!("missing; needs {wants}")))
    }

    fn optional<'a, T>(
        &'a self,
        key: &str,
        wants: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(bad(key, format!("needs {wants}, got {}", shown(value)))),
            },
        }
    }

    /// An integer of any stored width.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn u32(&self, key: &str) -> Result<u32> {
        self.typed(key, U32, as_u32)
    }

    /// An integer, or `default` if the key is missing.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn u32_or(&self, key: &str, default: u32) -> Result<u32> {
        Ok(self.u32_opt(key)?.unwrap_or(default))
    }

    /// An integer, or `None` if the key is missing.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn u32_opt(&self, key: &str) -> Result<Option<u32>> {
        self.optional(key, U32, as_u32)
    }

    /// A finite float.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn f32(&self, key: &str) -> Result<f32> {
        self.typed(key, F32, as_f32)
    }

    /// A finite float, or `default` if the key is missing.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn f32_or(&self, key: &str, default: f32) -> Result<f32> {
        Ok(self.optional(key, F32, as_f32)?.unwrap_or(default))
    }

    /// A truth value, or `default` if the key is missing.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        let read = |value: &Value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        };
        Ok(self.optional(key, "a bool", read)?.unwrap_or(default))
    }

    /// Text.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn string(&self, key: &str) -> Result<&str> {
        self.typed(key, "a string", as_str)
    }

    /// Text, or `None` if the key is missing.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn string_opt(&self, key: &str) -> Result<Option<&str>> {
        self.optional(key, "a string", as_str)
    }

    /// An array of texts.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn strings(&self, key: &str) -> Result<&Strings> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Strings(strings) => Some(strings),
            _ => None,
        })
    }

    /// An array of numbers, or `None` if the key is missing.
    ///
    /// # Errors
    /// See [`Metadata`].
    pub fn numbers_opt(&self, key: &str) -> Result<Option<&Numbers>> {
        self.optional(key, "an array of numbers", |value| match value {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        })
    }
}

const U32: &str = "an integer from 0 to 4294967295";
const F32: &str = "a finite 32-bit float";

fn as_u32(value: &Value) -> Option<u32> {
    u32::try_from(value.as_integer()?).ok()
}

fn as_f32(value: &Value) -> Option<f32> {
    match value {
        Value::Float(value) => Some(*value as f32).filter(|value| value.is_finite()),
        _ => None,
    }
}

fn as_str(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The value for an error message: short, whatever the file holds.
fn shown(value: &Value) -> String {
    match value {
        Value::Unsigned(value) => value.to_string(),
        Value::Signed(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        other => other.type_name().to_owned(),
    }
}
