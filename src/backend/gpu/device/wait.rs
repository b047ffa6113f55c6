//! One value that a callback brings and a future waits for.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// The waiting end.
pub(super) struct Wait<T>(Arc<Mutex<State<T>>>);

/// A future, and the callback that ends it.
pub(super) fn wait<T>() -> (Wait<T>, impl FnOnce(T)) {
    let state = Arc::new(Mutex::new(State { value: None, waker: None }));
    let own = Arc::clone(&state);
    let done = move |value| {
        let mut state = own.lock().unwrap_or_else(PoisonError::into_inner);
        state.value = Some(value);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    };
    (Wait(state), done)
}

impl<T> Wait<T> {
    /// The value, if it is there.
    pub(super) fn take(&mut self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).value.take()
    }
}

impl<T> Future for Wait<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context) -> Poll<T> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.waker = Some(cx.waker().clone());
        state.value.take().map_or(Poll::Pending, Poll::Ready)
    }
}
