//! The interfaces behind `any`: each frame of LINKTYPE_LINUX_SLL2 carries the number of the one it was seen on.
//!
//! One socket of the kernel serves all interfaces, also those that are made later, which could not be opened any more by
//! then. So they become known by their first frame, and get their places in the list of interfaces one after the other.

use std::collections::HashMap;

use super::rebind;
use crate::base::Foreign;
use crate::capture::Interface;

/// Interfaces that are told apart; those beyond stay with `any` itself.
const MOST: usize = 256;

/// Which place each number of an interface has.
#[derive(Debug, Default)]
pub(super) struct AnyInterfaces(HashMap<u32, u32>);

impl AnyInterfaces {
    /// The place of the interface that a frame of `any` (at place `any`) was seen on; a new one gets the next place.
    pub(super) fn place(&mut self, any: u32, frame: &[u8], known: &mut Vec<Interface>) -> u32 {
        // protocol, reserved, interface index (draft-ietf-opsawg-pcaplinktype, LINKTYPE_LINUX_SLL2).
        let Some(index) = frame.get(4..8).and_then(|four| four.try_into().ok()) else {
            return any;
        };
        let index = u32::from_be_bytes(index);
        if let Some(place) = self.0.get(&index) {
            return *place;
        }
        if self.0.len() >= MOST {
            return any;
        }
        let name = match rebind::name(index) {
            Some(name) => Foreign::from(name.as_str()),
            // Gone already.
            None => Foreign::from(format!("interface {index}").as_str()),
        };
        let own = known.get(usize::try_from(any).unwrap_or(usize::MAX));
        let (link_type, snaplen) = own.map_or((0, 0), |own| (own.link_type, own.snaplen));
        // One that was made anew under its old name is the same to who reads the name.
        let same = known
            .iter()
            .position(|one| one.name == name && one.link_type == link_type);
        let place = u32::try_from(same.unwrap_or(known.len())).unwrap_or(any);
        if same.is_none() {
            known.push(Interface {
                name,
                link_type,
                snaplen,
            });
        }
        self.0.insert(index, place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::{AnyInterfaces, MOST};
    use crate::capture::Interface;

    fn frame(index: u32) -> Vec<u8> {
        let mut frame = vec![8, 0, 0, 0];
        frame.extend_from_slice(&index.to_be_bytes());
        frame.extend_from_slice(&[0; 12]);
        frame
    }

    fn any() -> Vec<Interface> {
        vec![Interface {
            name: "any".into(),
            link_type: 276,
            snaplen: 0,
        }]
    }

    #[test]
    fn each_interface_gets_a_place_by_its_first_frame() {
        let (mut places, mut known) = (AnyInterfaces::default(), any());
        assert_eq!(places.place(0, &frame(1), &mut known), 1);
        assert_eq!(places.place(0, &frame(4_000_000), &mut known), 2);
        assert_eq!(places.place(0, &frame(1), &mut known), 1);
        assert_eq!(places.place(0, &[8, 0, 0, 0, 0], &mut known), 0);
        // The loopback is the first interface of every network.
        assert_eq!(known[1].name.as_str(), "lo");
        assert_eq!(known[2].name.as_str(), "interface 4000000");
        assert_eq!((known[2].link_type, known.len()), (276, 3));
    }

    #[test]
    fn however_many_there_are_the_list_is_bounded() {
        let (mut places, mut known) = (AnyInterfaces::default(), any());
        for index in 0..10_000 {
            places.place(0, &frame(5_000_000 + index), &mut known);
        }
        assert_eq!(known.len(), MOST + 1);
        assert_eq!(places.place(0, &frame(6_000_000), &mut known), 0);
    }
}
