//! The MLLP side: `frame` finds messages in a stream, `connection` reads and writes, `render` turns answers into bytes.

mod connection;
mod frame;
mod render;

pub(crate) use connection::serve;
