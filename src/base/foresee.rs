//! Asking for memory before it is wanted.
//!
//! Tens of thousands of connections wait in memory between their last segment and their judgement, longer than the caches remember
//! them. Asked for a little ahead, what is known of the next one arrives beside the work on the one before. It reads nothing and
//! changes nothing.

/// Bytes of one line of a cache.
const LINE: usize = 64;

/// Asks for the cache lines in which a value lies; not for those that it points to.
#[inline]
pub fn foresee<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        for offset in (0..size_of::<T>()).step_by(LINE) {
            // SAFETY: it is a hint that reads nothing into the program, and the address is one of `value`.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset)) }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, LINE);
}
