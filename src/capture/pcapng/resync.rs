//! Finds the next whole block after a damaged one.
//!
//! Only a block of a known type whose two lengths agree, and after which a block of a known type or the end of
//! the input stands, is taken for one; it must be near. Every place is looked at once.

use super::{
    CUSTOM, CUSTOM_NO_COPY, DECRYPTION_SECRETS, ENHANCED_PACKET, INTERFACE_DESCRIPTION,
    INTERFACE_STATISTICS, NAME_RESOLUTION, PACKET, SECTION_HEADER, SIMPLE_PACKET, SYSTEMD_JOURNAL,
    byte_order,
};
use crate::capture::bytes::ByteOrder;
use crate::capture::window::{BUFFER, Window};

/// How far a whole block is looked for, in bytes.
const NEAR: usize = BUFFER / 2;

/// How far the next whole block is from the window's front.
pub(super) fn next_block(order: ByteOrder, window: &mut Window) -> Option<usize> {
    let here = window.fill(NEAR);
    (4..here).step_by(4).find(|at| is_block(order, window, *at))
}

fn is_block(order: ByteOrder, window: &mut Window, at: usize) -> bool {
    // Cheap first: most places are no block's beginning.
    let Some(kind) = order.u32(window.bytes(), at).filter(|kind| is_known(*kind)) else {
        return false;
    };
    let order = match kind {
        SECTION_HEADER => byte_order(window.bytes(), at),
        _ => Some(order),
    };
    let Some(order) = order else { return false };
    let len = order
        .u32(window.bytes(), at.saturating_add(4))
        .and_then(|len| usize::try_from(len).ok());
    let Some(len) = len.filter(|len| (12..=NEAR).contains(len) && len % 4 == 0) else {
        return false;
    };
    let end = at.saturating_add(len);
    let ahead = end.saturating_add(4);
    let here = window.fill(ahead);
    let closes = order.u32(window.bytes(), end.saturating_sub(4)) == u32::try_from(len).ok();
    closes
        && match here == ahead {
            true => order.u32(window.bytes(), end).is_some_and(is_known),
            false => here == end,
        }
}

fn is_known(kind: u32) -> bool {
    matches!(
        kind,
        SECTION_HEADER
            | INTERFACE_DESCRIPTION
            | PACKET
            | SIMPLE_PACKET
            | NAME_RESOLUTION
            | INTERFACE_STATISTICS
            | ENHANCED_PACKET
            | SYSTEMD_JOURNAL
            | DECRYPTION_SECRETS
            | CUSTOM
            | CUSTOM_NO_COPY
    )
}
