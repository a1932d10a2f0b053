//! The monitor of nftables: in which tables something was changed.

use crate::error::Error;
use crate::listener::{self, EVENT_BUFFER, Listener, Messages};
use netlink_packet_core::{DecodeError, ErrorContext, NetlinkBuffer, NlasIterator, parse_string};
use netlink_sys::protocols::NETLINK_NETFILTER;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// `NFNLGRP_NFTABLES` and `NFNL_SUBSYS_NFTABLES` of `linux/netfilter/nfnetlink.h`: the group, and
/// the upper byte of the type of its messages.
const NFNLGRP_NFTABLES: u32 = 7;
const NFNL_SUBSYS_NFTABLES: u16 = 10;

/// `NFT_MSG_NEWGEN` of `linux/netfilter/nf_tables.h`: the transaction is over.
const NFT_MSG_NEWGEN: u16 = 15;

/// `NFTA_TABLE_NAME`, `NFTA_CHAIN_TABLE`, `NFTA_RULE_TABLE`, .. of `linux/netfilter/nf_tables.h`:
/// the number is the same for all.
const TABLE: u16 = 1;

/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;

/// What one look at the socket gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NftHeard {
    /// Names of the tables, of whichever family, that were made, removed or changed within: chains,
    /// rules, sets and their elements, objects, flow tables. A large transaction comes in many
    /// parts. Empty when one only ended.
    Tables(BTreeSet<String>),
    /// Nothing waits to be read.
    Nothing,
    /// Events were lost (`ENOBUFS`): read everything back.
    Overrun,
    /// An event cannot be read, and this is why: read everything back.
    Unreadable(String),
}

/// Listens to nftables in the namespace of the thread that opened it. Reading never blocks: wait
/// for the file descriptor to become readable.
pub struct NftMonitor {
    listener: Listener,
}

impl NftMonitor {
    /// Opens a monitor with a buffer as large as [`crate::monitor::Monitor::open`]'s.
    ///
    /// # Errors
    /// Only what the operating system says to `socket`, `bind` and `setsockopt`.
    pub fn open() -> Result<Self, Error> {
        let listener = Listener::open(NETLINK_NETFILTER, &[NFNLGRP_NFTABLES], EVENT_BUFFER)
            .map_err(|error| Error::socket("open nftables monitor", error))?;
        Ok(NftMonitor { listener })
    }

    /// Reads one datagram.
    ///
    /// # Errors
    /// When the socket itself is broken.
    pub fn hear(&mut self) -> Result<NftHeard, Error> {
        let heard = self.listener.hear();
        match heard.map_err(|error| Error::socket("read nftables monitor", error))? {
            listener::Heard::Nothing => Ok(NftHeard::Nothing),
            listener::Heard::Overrun => Ok(NftHeard::Overrun),
            listener::Heard::Datagram(datagram) => {
                let names = Messages(datagram).map(|message| table(&message?));
                let names: Result<Vec<Option<String>>, DecodeError> = names.collect();
                Ok(names.map_or_else(
                    |error| NftHeard::Unreadable(error.to_string()),
                    |names| NftHeard::Tables(names.into_iter().flatten().collect()),
                ))
            }
        }
    }
}

/// The table a message is about; `None` for the end of a transaction, and for what is not nftables.
fn table(message: &NetlinkBuffer<&[u8]>) -> Result<Option<String>, DecodeError> {
    let (subsystem, kind) = (message.message_type() >> 8, message.message_type() & 0xff);
    if subsystem != NFNL_SUBSYS_NFTABLES || kind == NFT_MSG_NEWGEN {
        return Ok(None);
    }
    let attributes = message.payload().get(HEADER..).unwrap_or_default();
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute?;
        if attribute.kind() == TABLE {
            let name = parse_string(attribute.value());
            return name.map(Some).context("name of a table");
        }
    }
    Err(format!("a message of type {kind} without a table").into())
}

impl AsFd for NftMonitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl AsRawFd for NftMonitor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
