//! Telemetry to JSON and back.

use super::Telemetry;

/// Text that is no telemetry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The text is not JSON, or not of the form that is written here.
    #[error("not telemetry: {0}")]
    Json(#[from] serde_json::Error),
}

impl Telemetry {
    /// Writes everything, for people and for [`from_json`](Self::from_json).
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("all keys are strings and all numbers finite")
    }

    /// Reads what [`to_json`](Self::to_json) wrote, to merge it.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`] if the text is something else.
    pub fn from_json(text: &str) -> Result<Self, TelemetryError> {
        Ok(serde_json::from_str(text)?)
    }
}
