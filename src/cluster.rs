//! Star Attention on several hosts at once: each is a thread with an engine and its own share of the KV cache. They read
//! the context without a word; then every layer of every token costs one exchange of `(output, log-sum-exp)`.
//!
//! The thread that asks for tokens passes what the hosts found on. It waits for a host no longer than a limit, so one
//! that dies or hangs ends the run with [`Error::Host`]; the others find their channel closed and end too.

use crate::{
    Error, Result,
    engine::{Engine, Options, Progress, Prompt, Step},
    ops::{Kept, Partial},
};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

enum Order {
    Start(Prompt, Options),
    Extend(Prompt, Options),
    /// Work until a step, an exchange or the end.
    Go,
    Merge(Arc<[Partial]>),
}

enum Reply {
    /// A piece of work is done; more follows.
    Working,
    /// An order is done.
    Ready,
    Exchange(Partial),
    Step(Step),
    Done,
    Failed(Error),
}

struct Host {
    orders: Sender<Order>,
    replies: Receiver<Reply>,
}

/// Several hosts at work on one text.
pub struct Cluster {
    hosts: Vec<Host>,
    limit: Duration,
    exchanged: u64,
}

impl Cluster {
    /// Starts `hosts` threads, each with the engine that `build` makes of its number. A host may be silent for `limit`.
    ///
    /// # Errors
    /// What `build` says; [`Error::Host`] when no thread can be had.
    pub fn new(
        hosts: u32,
        limit: Duration,
        build: impl Fn(u32) -> Result<Engine> + Send + Sync + 'static,
    ) -> Result<Cluster> {
        let build = Arc::new(build);
        let mut cluster = Cluster { hosts: Vec::new(), limit, exchanged: 0 };
        for number in 0..hosts {
            let (orders, inbox) = channel();
            let (outbox, replies) = channel();
            let build = build.clone();
            let work = move || match build(number) {
                Ok(engine) => serve(engine, &inbox, &outbox),
                Err(error) => drop(outbox.send(Reply::Failed(error))),
            };
            let name = format!("host {number}");
            thread::Builder::new()
                .name(name)
                .spawn(work)
                .map_err(|error| Error::Host { host: number, why: error.to_string() })?;
            cluster.hosts.push(Host { orders, replies });
        }
        Ok(cluster)
    }

    /// Begins a text on all hosts.
    ///
    /// # Errors
    /// As [`Engine::start`], and [`Error::Host`].
    pub fn start(&mut self, prompt: &Prompt, options: &Options) -> Result<()> {
        self.exchanged = 0;
        self.all(|| Order::Start(prompt.clone(), options.clone()))
    }

    /// Goes on with a further prompt.
    ///
    /// # Errors
    /// As [`Engine::extend`], and [`Error::Host`].
    pub fn extend(&mut self, prompt: &Prompt, options: &Options) -> Result<()> {
        self.all(|| Order::Extend(prompt.clone(), options.clone()))
    }

    fn all(&mut self, order: impl Fn() -> Order) -> Result<()> {
        self.send(order)?;
        // Every host's answer is taken, so that none is left for the next order; the hosts end where one is lost.
        let replies = self.gather().inspect_err(|_| self.hosts.clear())?;
        replies.into_iter().try_for_each(|reply| match reply {
            Reply::Failed(error) => Err(error),
            _ => Ok(()),
        })
    }

    /// The next token, with what all hosts hold and read; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Host`] when a host dies, is silent for longer than the limit, or finds another token than the others;
    /// what an engine says. After an error the cluster is of no further use.
    pub fn step(&mut self) -> Result<Option<Step>> {
        let step = self.run();
        if step.is_err() {
            self.hosts.clear();
        }
        step
    }

    fn run(&mut self) -> Result<Option<Step>> {
        self.send(|| Order::Go)?;
        loop {
            let (mut partials, mut steps) = (Vec::new(), Vec::new());
            for reply in self.gather()? {
                match reply {
                    Reply::Exchange(partial) => partials.push(partial),
                    Reply::Step(step) => steps.push(step),
                    Reply::Failed(error) => return Err(error),
                    Reply::Working | Reply::Ready | Reply::Done => {}
                }
            }
            match (partials.len(), steps.pop()) {
                (n, None) if n == self.hosts.len() => {
                    self.exchanged += partials.iter().map(Partial::bytes).sum::<u64>();
                    let partials: Arc<[Partial]> = partials.into();
                    self.send(|| Order::Merge(partials.clone()))?;
                }
                (0, Some(step)) if steps.len() + 1 == self.hosts.len() => return self.agree(step, &steps).map(Some),
                (0, None) => return Ok(None),
                _ => return Err(Error::State("the hosts are not at the same place")),
            }
        }
    }

    /// The last host's step, with the counts of all.
    fn agree(&self, mut step: Step, others: &[Step]) -> Result<Step> {
        for (other, host) in others.iter().zip(0..) {
            if other.id != step.id {
                let why = format!("it found token {}, the last host {}", other.id, step.id);
                return Err(Error::Host { host, why });
            }
            let (a, b) = (step.kept, other.kept);
            step.kept = Kept {
                rows: a.rows + b.rows,
                bytes: a.bytes + b.bytes,
                allocated: a.allocated + b.allocated,
                rows_read: a.rows_read + b.rows_read,
                bytes_read: a.bytes_read + b.bytes_read,
                far: a.far + b.far,
                moved: a.moved + b.moved,
                noise: [a.noise, b.noise].into_iter().flatten().reduce(f32::min),
            };
        }
        Ok(step)
    }

    /// Bytes that the hosts sent since the text began, each part counted once.
    #[must_use]
    pub fn exchanged(&self) -> u64 {
        self.exchanged
    }

    fn send(&self, order: impl Fn() -> Order) -> Result<()> {
        if self.hosts.is_empty() {
            return Err(Error::State("the hosts have ended"));
        }
        // A host that is gone is noticed by the reply it does not give; it may have left its reason there.
        self.hosts.iter().for_each(|host| drop(host.orders.send(order())));
        Ok(())
    }

    fn gather(&self) -> Result<Vec<Reply>> {
        let each = |(number, host): (usize, &Host)| loop {
            let lost = |why: String| Error::Host { host: number as u32, why };
            match host.replies.recv_timeout(self.limit) {
                Ok(Reply::Working) => {}
                Ok(reply) => return Ok(reply),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(lost(format!("no answer for {:.1} s", self.limit.as_secs_f64())));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(lost("it has ended".to_owned())),
            }
        };
        self.hosts.iter().enumerate().map(each).collect()
    }
}

/// A host's thread: does what it is told until its orders end.
fn serve(mut engine: Engine, orders: &Receiver<Order>, replies: &Sender<Reply>) {
    for order in orders {
        let reply = match order {
            Order::Start(prompt, options) => engine.start(prompt, options).map(|()| Reply::Ready),
            Order::Extend(prompt, options) => engine.extend(prompt, options).map(|()| Reply::Ready),
            Order::Go => work(&mut engine, replies, None),
            Order::Merge(partials) => work(&mut engine, replies, Some(&partials)),
        };
        if replies.send(reply.unwrap_or_else(Reply::Failed)).is_err() {
            return;
        }
    }
}

fn work(engine: &mut Engine, replies: &Sender<Reply>, partials: Option<&[Partial]>) -> Result<Reply> {
    let mut progress = match partials {
        Some(partials) => engine.merge(partials)?,
        None => engine.advance()?,
    };
    loop {
        progress = match progress {
            Progress::Exchange => return engine.partial().map(Reply::Exchange),
            Progress::Step(step) => return Ok(Reply::Step(step)),
            Progress::Done => return Ok(Reply::Done),
            Progress::Working | Progress::Waiting if replies.send(Reply::Working).is_ok() => engine.advance()?,
            // Nobody listens any more.
            Progress::Working | Progress::Waiting => return Ok(Reply::Done),
        }
    }
}
