//! What is in effect: documents with every default applied and every reference made a full name.
//!
//! The data plane runs on these. They compare by value, so that a hot reload touches only what changed.

mod channel;
pub mod defaults;
mod destination;
mod exchange;
mod facility;
mod listener;
mod secret;

pub use channel::{AckSettings, ChannelSettings, FromSettings, OrderSettings, RouteSettings};
pub use destination::{
    AnswerSettings, BacklogSettings, Connect, DestinationSpec, FileConnect, HeaderSettings, HttpConnect,
    HttpCredentials, MllpConnect, OutboundSettings, RetrySettings, TlsClient,
};
pub use exchange::ExchangeSpec;
pub use facility::{ExpectSettings, FacilitySpec, IdentitySettings, RateSettings};
pub use listener::{
    HttpSettings, LimitSettings, ListenerSpec, ListenerTransport, MllpRelease, MllpSettings, TlsServer,
};
pub use secret::{CA_CRT, Secret, SecretFile, TLS_CRT, TLS_KEY};
