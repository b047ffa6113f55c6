//! Passes on their way: one, and those that ran ahead of it without the host knowing what was picked.

use super::{Gpu, device::Pending, mirror::Log};
use crate::{Result, kernels::Picked, ops::Kv};

/// A submitted pass.
pub(super) struct Sent {
    pub pending: Pending,
    /// What has come back of it.
    pub words: Option<Vec<Vec<u32>>>,
    pub log: Log,
    /// Its first position.
    pub first: u32,
    /// Words from one list to the next of each set that comes back.
    strides: Vec<u32>,
}

impl Gpu {
    /// Waits until what was submitted [has arrived](crate::ops::Dense::arrived).
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device is lost or refused something, [`Error::Memory`].
    pub async fn finish(&mut self) -> Result<()> {
        for sent in self.sent.iter_mut().filter(|sent| sent.words.is_none()) {
            sent.words = Some(sent.pending.wait().await?);
        }
        self.take_in()
    }

    /// Submits the pass; the tokens that were picked come back with the last of those that run ahead of each other.
    pub(super) fn send(&mut self, is_last: bool) -> Result<()> {
        let mut burst = self.burst.take().unwrap_or_else(|| self.device.burst());
        let strides = self.ask_lists(&mut burst)?;
        if self.pass.logits.back {
            burst.read(&self.room.logits, 0..self.pass.logits.words())?;
        }
        if is_last && self.picks > 0 {
            burst.read(&self.room.picked, 0..2 * u64::from(self.picks))?;
        }
        let (pending, log) = (burst.submit()?, std::mem::take(&mut self.mirror.log));
        self.sent.push(Sent { pending, words: None, log, first: self.pass.first, strides });
        Ok(())
    }

    /// Takes in what came back: tokens, logits, and the lists that the cache is brought up to date with.
    pub(super) fn take_in(&mut self) -> Result<()> {
        let Some(last) = self.sent.last_mut().and_then(|sent| sent.words.as_mut()) else { return Ok(()) };
        let picked = if self.picks > 0 { last.pop() } else { None };
        self.picks = 0;
        self.picked.clear();
        let picked = picked.as_deref().unwrap_or_default().chunks_exact(2);
        self.picked.extend(picked.map(|words| Picked { id: words[0], finite: words[1] == 1 }));
        let logits = if self.pass.logits.back { last.pop() } else { None };
        self.answer = logits.map_or_else(Vec::new, bytemuck::cast_vec);
        self.mirror.read.noise = None;
        self.mirror.missed.clear();
        self.mirror.guesses.clear();
        self.mirror.guesses.extend(self.picked.iter().map(|picked| picked.id));
        for Sent { words, log, strides, .. } in self.sent.drain(..) {
            self.mirror.replay(log, words.unwrap_or_default(), &strides)?;
        }
        for (layer, (live, alike)) in self.live.iter_mut().zip(&mut self.alike).enumerate() {
            let heads = self.mirror.cache.layer(Kv(layer as u32));
            *live = heads.iter().map(|head| head.len() as u32).max().unwrap_or(0);
            *alike = heads.iter().all(|head| head.len() as u32 == *live);
        }
        Ok(())
    }
}
