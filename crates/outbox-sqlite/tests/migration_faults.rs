//! A migration that fails or is cut off at any of its steps leaves the file as it was, for both programs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod schema_one;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use outbox_core::error::code;
use outbox_core::faults;
use schema_one::{NEWEST, contents, counted, make, open, take_turn, version, worklist};

const POINT: &str = "store-migrate-step";
/// Tells a child of this test which file to open.
const FILE: &str = "HL7_OUTBOX_TEST_FILE";
/// What is planted in this process is met by whoever comes by.
static ALONE: Mutex<()> = Mutex::new(());
/// More steps than any migration has.
const STEPS_MAX: u32 = 100;

/// After the fault: the old program finds what it left, and the new one goes on from there. The file is as it was, or as a
/// whole migration left it, with everything that was there.
fn check(path: &Path, before: &[String], what: &str) {
    let found = contents(path);
    if version(path) == 1 {
        assert_eq!(found, before, "{what}: the file is as it was");
    }
    let lost: Vec<_> = before[1..].iter().filter(|row| !found.contains(row)).collect();
    assert!(lost.is_empty() && version(path) < NEWEST, "{what}: {lost:?}");
    let store = open(path).unwrap();
    assert_eq!(worklist(&store), counted(&[("103", 2), ("207", 1)]), "{what}");
    assert_eq!(take_turn(&store, Vec::new(), 9).claimed.len(), 1, "{what}: what waited is sent");
    drop(store);
    assert_eq!(version(path), NEWEST, "{what}");
}

fn fresh(directory: &tempfile::TempDir, name: &str) -> (PathBuf, Vec<String>) {
    let path = directory.path().join(name);
    make(&path);
    let before = contents(&path);
    (path, before)
}

#[test]
fn an_error_a_full_disk_and_a_panic_at_every_step_leave_the_file_as_it_was() {
    let _alone = ALONE.lock().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut met = 0;
    for (way, refused) in [("error", code::ERR_STORE_FAILED), ("full", code::ERR_DISK_FULL), ("panic", code::ERR_PANIC)]
    {
        for step in 0..STEPS_MAX {
            let (path, before) = fresh(&directory, &format!("{way}-{step}.db"));
            faults::set(POINT, &format!("{step}*off->1*return({way})")).unwrap();
            let opened = std::panic::catch_unwind(|| open(&path).map(drop).map_err(|error| error.code));
            faults::set(POINT, "off").unwrap();
            match opened {
                Ok(Ok(())) => {
                    assert!(step >= 9, "{way} was met at {step} steps only");
                    break;
                }
                Ok(Err(code)) => assert_eq!(code, refused, "{way} at step {step}"),
                Err(_) => assert_eq!(way, "panic"),
            }
            met += 1;
            check(&path, &before, &format!("{way} at step {step}"));
        }
    }
    assert!(met >= 27, "{met}");
    // Between the steps and the commit, and after a lock of another process, which is waited for.
    let (path, before) = fresh(&directory, "before-commit.db");
    faults::set("store-migrate", "1*off->1*return(error)").unwrap();
    assert_eq!(open(&path).err().unwrap().code, code::ERR_STORE_FAILED);
    faults::set("store-migrate", "off").unwrap();
    check(&path, &before, "before the commit");
    let (path, _) = fresh(&directory, "busy.db");
    faults::set(POINT, "3*off->1*return(busy)").unwrap();
    assert!(open(&path).is_ok(), "it is tried again");
    faults::set(POINT, "off").unwrap();
}

#[test]
fn a_process_that_is_killed_at_any_step_leaves_the_file_as_it_was() {
    let _alone = ALONE.lock().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let run = |path: &Path, failpoints: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_child_opens_the_file_that_it_is_told_of"])
            .env(FILE, path)
            .env("FAILPOINTS", failpoints)
            .output()
            .unwrap()
            .status
    };
    for step in 0..STEPS_MAX {
        let (path, before) = fresh(&directory, &format!("kill-{step}.db"));
        let status = run(&path, &format!("{POINT}={step}*off->1*return(kill)"));
        if status.success() {
            assert!(step >= 9, "there were {step} steps only");
            break;
        }
        check(&path, &before, &format!("killed at step {step}"));
    }
    let (path, before) = fresh(&directory, "kill-commit.db");
    assert!(!run(&path, "store-migrate=1*off->1*return(kill)").success());
    check(&path, &before, "killed before the commit");
}

#[test]
fn a_child_opens_the_file_that_it_is_told_of() {
    let _alone = ALONE.lock().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = std::env::var_os(FILE).map_or_else(|| directory.path().join("outbox.db"), PathBuf::from);
    drop(open(&path).unwrap());
    assert_eq!(version(&path), NEWEST);
}
