//! What a destination is called by its way out, the same in every list.

use barid_config::DestinationSpec;
use barid_config::settings::Connect;

/// `mllp`, `mllps`, `http`, `https` or `file`.
#[must_use]
pub fn kind(spec: &DestinationSpec) -> String {
    let word = spec.connect.word();
    let secure = match &spec.connect {
        Connect::Http(http) => http.url.starts_with("https:"),
        Connect::Mllp(_) => spec.tls.is_some(),
        Connect::File(_) => false,
    };
    if secure { format!("{word}s") } else { word.to_owned() }
}
