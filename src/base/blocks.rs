//! A list that grows without moving what it holds.
//!
//! It exists for lists of tens of thousands: one that doubles keeps room for up to twice as many, and moves all of them for it. It refuses to take
//! anything out but at its end.

use std::mem;

/// Items by their number. All blocks of `BLOCK` items but the last one are full, and none is empty.
#[derive(Debug)]
pub struct Blocks<T, const BLOCK: usize>(Vec<Vec<T>>);

impl<T, const BLOCK: usize> Default for Blocks<T, BLOCK> {
    fn default() -> Blocks<T, BLOCK> {
        Blocks(Vec::new())
    }
}

impl<T, const BLOCK: usize> Blocks<T, BLOCK> {
    /// The item of a number.
    #[inline]
    pub fn get(&self, at: u32) -> Option<&T> {
        let at = at as usize;
        self.0.get(at / BLOCK)?.get(at % BLOCK)
    }

    /// The item of a number, to be changed.
    #[inline]
    pub fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        let at = at as usize;
        self.0.get_mut(at / BLOCK)?.get_mut(at % BLOCK)
    }

    /// The item of a number that there is.
    #[inline]
    pub fn at(&mut self, at: u32) -> &mut T {
        let at = at as usize;
        &mut self.0[at / BLOCK][at % BLOCK]
    }

    /// Adds an item at the end; its number.
    pub fn push(&mut self, item: T) -> u32 {
        if self.0.last().is_none_or(|last| last.len() >= BLOCK) {
            // The first one of many lists stays small; who needs a second block, fills it.
            let room = if self.0.is_empty() { 0 } else { BLOCK };
            self.0.push(Vec::with_capacity(room));
        }
        let full = self.0.len() - 1;
        let last = &mut self.0[full];
        last.push(item);
        (full * BLOCK + last.len() - 1) as u32
    }

    /// Takes the last item out.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.0.last_mut()?;
        let item = last.pop();
        if last.is_empty() {
            self.0.pop();
        }
        item
    }

    /// All items, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// Takes all items out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + use<T, BLOCK> {
        mem::take(&mut self.0).into_iter().flatten()
    }
}
