//! Networks in CIDR notation: how an identity names the addresses its facility sends from.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A network such as `10.20.0.0/16` or `2001:db8::/32`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before `/` is no address.
    #[error("'{0}' is no IP address: write a network such as 10.20.0.0/16 or an address such as 10.20.1.5")]
    Address(String),
    /// The part after `/` is no prefix length of that kind of address.
    #[error("'{0}' is no prefix length: 0 to 32 for IPv4, 0 to 128 for IPv6")]
    Prefix(String),
    /// Bits are set beyond the prefix, so that one of the two is probably a slip.
    #[error("{0} has bits set beyond its prefix: write {1}")]
    HostBits(String, String),
}

impl Network {
    /// Whether the address lies in this network; an IPv4 address written as IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same_prefix(own.to_bits().into(), other.to_bits().into(), self.prefix, 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same_prefix(own.to_bits(), other.to_bits(), self.prefix, 128),
            _ => false,
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address(address.to_owned()))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(digits) => match digits.parse::<u8>() {
                Ok(prefix) if prefix <= width && digits.bytes().all(|b| b.is_ascii_digit()) => prefix,
                _ => return Err(NetworkError::Prefix(digits.to_owned())),
            },
        };
        let masked = mask(address, prefix);
        if masked != address {
            return Err(NetworkError::HostBits(text.to_owned(), format!("{masked}/{prefix}")));
        }
        Ok(Self { address, prefix })
    }
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & bits).into())
        }
        IpAddr::V6(v6) => {
            let bits = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & bits))
        }
    }
}

fn same_prefix(a: u128, b: u128, prefix: u8, width: u8) -> bool {
    (a ^ b).checked_shr(u32::from(width.saturating_sub(prefix))).unwrap_or(0) == 0
}
