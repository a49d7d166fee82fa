//! Values of statements and of rows, in PostgreSQL's binary form.

use std::error::Error;

use bytes::{BufMut as _, Bytes, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::types::{ArrayDimension, array_to_sql};

use crate::block::BLOCK_BYTES;

const INT4: u32 = 23;
const INT8: u32 = 20;
const BYTEA: u32 = 17;
const UUID: u32 = 2950;

type Written = Result<IsNull, Box<dyn Error + Sync + Send>>;

/// What a parameter of a statement is.
pub enum Value<'a> {
    Text(&'a str),
    Int4(i32),
    Int8(i64),
    Uuid([u8; BLOCK_BYTES]),
    Int4s(Vec<i32>),
    Int8s(Vec<Option<i64>>),
    Uuids(Vec<[u8; BLOCK_BYTES]>),
    Byteas(Vec<Option<&'a [u8]>>),
}

impl Value<'_> {
    /// Writes it without its length.
    pub fn write(&self, buffer: &mut BytesMut) -> Written {
        match self {
            Value::Text(text) => buffer.put_slice(text.as_bytes()),
            Value::Int4(number) => buffer.put_i32(*number),
            Value::Int8(number) => buffer.put_i64(*number),
            Value::Uuid(bytes) => buffer.put_slice(bytes),
            Value::Int4s(all) => write_array(INT4, all.iter().map(|it| Some(it.to_be_bytes())), buffer)?,
            Value::Int8s(all) => write_array(INT8, all.iter().map(|it| it.map(i64::to_be_bytes)), buffer)?,
            Value::Uuids(all) => write_array(UUID, all.iter().map(Some), buffer)?,
            Value::Byteas(all) => write_array(BYTEA, all.iter().copied(), buffer)?,
        }
        Ok(IsNull::No)
    }
}

/// Writes an array of this kind, whose members are numbered from 1.
fn write_array<T: AsRef<[u8]>>(
    kind: u32,
    all: impl ExactSizeIterator<Item = Option<T>>,
    buffer: &mut BytesMut,
) -> Result<(), Box<dyn Error + Sync + Send>> {
    let size = ArrayDimension { len: i32::try_from(all.len())?, lower_bound: 1 };
    let dimensions = (all.len() > 0).then_some(size);
    let member = |member: Option<T>, buffer: &mut BytesMut| {
        let Some(bytes) = member else { return Ok(IsNull::Yes) };
        buffer.put_slice(bytes.as_ref());
        Ok(IsNull::No)
    };
    array_to_sql(dimensions, kind, all, member, buffer)
}

/// A line that a statement gave.
pub struct Line(pub Vec<Option<Bytes>>);

impl Line {
    /// A value's bytes; `None` for one that is null, or not there.
    pub fn bytes(&self, column: usize) -> Option<&[u8]> {
        self.0.get(column)?.as_deref()
    }

    pub fn uuid(&self, column: usize) -> Option<[u8; BLOCK_BYTES]> {
        self.bytes(column)?.try_into().ok()
    }

    pub fn int8(&self, column: usize) -> Option<i64> {
        self.bytes(column)?.try_into().ok().map(i64::from_be_bytes)
    }

    pub fn int4(&self, column: usize) -> Option<i32> {
        self.bytes(column)?.try_into().ok().map(i32::from_be_bytes)
    }

    pub fn is_true(&self, column: usize) -> bool {
        self.bytes(column) == Some(&[1])
    }
}
