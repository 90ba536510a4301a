//! The Hub as the environment describes it.

use sigil_data::HubSettings;
use sigil_places::Places;

/// Where files are fetched from and sent to.
pub(crate) fn hub() -> HubSettings {
    let places = Places::find();
    let mut hub = HubSettings::new(places.hub_cache.clone());
    if let Some(endpoint) = &places.hub_endpoint {
        hub.endpoint.clone_from(endpoint);
    }
    // A login of the Hub's own tools leaves the token in a file.
    let stored = || std::fs::read_to_string(&places.hub_token_file).ok();
    let token = places.hub_token.as_ref().map(|token| token.reveal().to_owned()).or_else(stored);
    hub.token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
    hub.offline = places.hub_offline;
    hub
}
