//! The rows that the verbs look at: those that training would take, streamed.

use std::sync::Arc;

use sigil_config::Settings;
use sigil_data::mixing::Shuffle;
use sigil_data::recipe::row_plan;
use sigil_data::{Ledger, PipelineError, Row, RowSupply};

use crate::failure::Failure;
use crate::{places, progress};

/// Calls `each` for every row that would be trained on, in the order of the sources, until it returns
/// false; returns the account. No row at all is a failure. Memory stays small, whatever the size of the data.
pub(crate) fn for_each(
    settings: &Settings,
    mut each: impl FnMut(&Row) -> Result<bool, Failure>,
) -> Result<Ledger, Failure> {
    let places = places::data_places(settings)?;
    let mut plan = row_plan(settings, &places, &mut progress::downloads())?;
    plan.shuffle = Shuffle::None;
    let mut supply = RowSupply::streamed(Arc::new(plan), &[])?;
    let bar = progress::rows();
    let mut any = false;
    while let Some(row) = supply.next_row()? {
        any = true;
        bar.inc(1);
        if !each(&row)? {
            break;
        }
    }
    bar.finish_and_clear();
    let mut ledger = supply.ledger();
    ledger.warn_below(settings.dataset.min_pass_rate);
    if !any {
        return Err(PipelineError::Empty(Box::new(ledger)).into());
    }
    Ok(ledger)
}
