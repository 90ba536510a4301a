//! Every single storage operation of a whole run fails once, in each way: the run that then resumes
//! equals one that was never disturbed.

use std::{path::Path, sync::Arc};

use sigil_run::storage::{CrashLoss, Fault, FaultStorage};

use crate::harness::{STEPS, Variant, fingerprint, newest_step, train, train_here};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[test]
fn no_failed_write_loses_anything() {
    let variant = Variant::default();
    let whole = tempfile::tempdir().expect("folder");
    train_here(whole.path(), variant, None);
    let expected = fingerprint(whole.path(), STEPS);

    let healthy = FaultStorage::healthy();
    let counted = tempfile::tempdir().expect("folder");
    run(counted.path(), &healthy, variant, false).expect("healthy");
    let operations = healthy.operation_count();
    assert!(operations > 60, "only {operations} operations in a run with three sets");

    let mut struck = 0;
    for operation in 0..operations {
        // One kind of accident for each operation in turn, so that the sweep stays short; the
        // storage's own tests take all kinds at every operation of a save.
        let fault = match operation % 5 {
            0 => Fault::Error(EIO),
            1 => Fault::ShortWrite(EIO),
            2 => Fault::DiskFull,
            3 => Fault::Crash(CrashLoss::AllUnsynced),
            _ => Fault::ShortWrite(ENOSPC),
        };
        let folder = tempfile::tempdir().expect("folder");
        let storage = FaultStorage::new(operation, fault);
        let result = run(folder.path(), &storage, variant, false);
        if let Err(error) = &result {
            struck += 1;
            let message = error.to_string();
            assert!(message.len() > 20 && !message.contains("panicked"), "{message}");
        }
        let outcome = train_here(folder.path(), variant, None);
        assert!(outcome.finished, "operation {operation}: {:?}", storage.hit());
        let found = fingerprint(folder.path(), STEPS);
        assert_eq!(found, expected, "operation {operation}, {fault:?}: {:?}", storage.hit());
        assert_eq!(newest_step(folder.path()), Some(STEPS));
    }
    eprintln!("{operations} operations failed one after another, {struck} ended the run");
}

fn run(
    path: &Path,
    storage: &FaultStorage,
    variant: Variant,
    resume: bool,
) -> Result<sigil_qlora::Outcome, sigil_qlora::TrainError> {
    train(path, Arc::new(storage.clone()), variant, resume, None, &mut vec![])
}
