//! What is asked of the control socket while the churn goes on: a thread waits for the answers.

use crate::layout::{Layout, address};
use crate::model::Variant;
use crate::speaker::Files;
use anyhow::{Context, Result};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Takes other settings.
    Reload(Variant),
    /// Asks a client for its routes again.
    Refresh(usize),
}

/// The asking end. The thread ends when it is dropped.
pub(crate) struct Control {
    jobs: Sender<Job>,
    answers: Receiver<Result<()>>,
    /// How many are not answered yet.
    open: usize,
}

impl Control {
    pub(crate) fn new(files: Files, layout: Layout) -> Self {
        let (jobs, received) = channel::<Job>();
        let (answer, answers) = channel();
        thread::spawn(move || {
            for job in received {
                if answer.send(serve(job, &files, layout)).is_err() {
                    return;
                }
            }
        });
        Control {
            jobs,
            answers,
            open: 0,
        }
    }

    pub(crate) fn ask(&mut self, job: Job) -> Result<()> {
        self.jobs.send(job).context("the control thread is gone")?;
        self.open += 1;
        Ok(())
    }

    /// How many are not answered yet.
    ///
    /// # Errors
    /// A job failed.
    pub(crate) fn open(&mut self) -> Result<usize> {
        while let Ok(answer) = self.answers.try_recv() {
            self.open -= 1;
            answer?;
        }
        Ok(self.open)
    }
}

fn serve(job: Job, files: &Files, layout: Layout) -> Result<()> {
    match job {
        Job::Reload(variant) => {
            files.write(layout, variant)?;
            files.command("reload")
        }
        // A client whose session was lost in the meantime is not known any more, which is no mistake.
        Job::Refresh(client) => {
            let _ = files.command(&format!("refresh clients/{}", address(client)));
            Ok(())
        }
    }
}
