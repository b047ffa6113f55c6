//! A session as bytes that say what they are:
//!
//! ```text
//! "attnscope" 0xff | format, u32 | hash of the model file, u64 | its name | settings | text and cache | XXH64 of all before, u64
//! ```
//! Numbers are little-endian; name and settings are a length, u32, and so many bytes of UTF-8. Settings are the caller's, as
//! a rule JSON: what the same engine can be made of. The hashes find damage and mistakes; they are no signature.

use super::Loaded;
use crate::{Error, Result, engine::Engine, tape::Tape};
use xxhash_rust::xxh64::xxh64;

const MAGIC: &[u8] = b"attnscope\xff";
/// Another one is refused: it changes with the layout, and with what the same settings come to.
const FORMAT: u32 = 1;

impl Loaded {
    /// A session's text and cache, with the `settings` from which the same engine can be made again.
    ///
    /// # Errors
    /// As [`Engine::save`].
    pub fn save(&self, engine: &mut Engine, settings: &str) -> Result<Vec<u8>> {
        let mut tape = Tape::Save(MAGIC.to_vec());
        tape.number(&mut { FORMAT })?;
        tape.number(&mut { self.hash })?;
        for text in [&self.name, settings] {
            tape.list(&mut text.as_bytes().to_vec())?;
        }
        let mut out = tape.into_bytes();
        engine.save(&mut out)?;
        out.extend(xxh64(&out, 0).to_le_bytes());
        Ok(out)
    }

    /// The settings of a saved session, and what [`Engine::restore`] takes.
    ///
    /// # Errors
    /// [`Error::Saved`] for damaged bytes, another format, or another model file than this one.
    pub fn saved<'a>(&self, bytes: &'a [u8]) -> Result<(String, &'a [u8])> {
        let refuse = |why: String| Err(Error::Saved(why));
        let Some(rest) = bytes.strip_prefix(MAGIC) else { return refuse("these bytes are none".to_owned()) };
        let whole = rest.split_last_chunk().filter(|(_, sum)| {
            let before = &bytes[..bytes.len() - sum.len()];
            xxh64(before, 0) == u64::from_le_bytes(**sum)
        });
        let Some((rest, _)) = whole else { return refuse("it is damaged: its checksum is wrong".to_owned()) };
        let mut tape = Tape::Restore(rest);
        let (mut format, mut hash, mut texts) = (0u32, 0u64, [Vec::new(), Vec::new()]);
        tape.number(&mut format)?;
        if format != FORMAT {
            return refuse(format!("it has format {format}; this version reads {FORMAT}"));
        }
        tape.number(&mut hash)?;
        texts.iter_mut().try_for_each(|text| tape.list::<u8>(text))?;
        let [name, settings] = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
        if hash != self.hash {
            return refuse(format!("it was saved with another model file, {name:?} with hash {hash:016x}"));
        }
        match tape {
            Tape::Restore(rest) => Ok((settings, rest)),
            Tape::Save(_) => refuse("these bytes are none".to_owned()),
        }
    }
}
