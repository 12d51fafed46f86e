//! Looks at every number of a value before it is written.

use serde::{
    Serialize,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant, Serializer,
    },
};

use super::{CanonicalError, INTEGER_MAX};

/// A serializer that writes nothing and fails at the first number that canonical JSON does not carry.
#[derive(Clone, Copy)]
pub(super) struct Numbers;

type Checked = Result<(), CanonicalError>;

fn float(value: f64) -> Checked {
    if value.is_finite() { Ok(()) } else { Err(CanonicalError::NotFinite(value.to_string())) }
}

fn integer(value: impl Into<i128>) -> Checked {
    let value = value.into();
    if value.unsigned_abs() <= u128::from(INTEGER_MAX) {
        Ok(())
    } else {
        Err(CanonicalError::IntegerRange(value.to_string()))
    }
}

macro_rules! integers {
    ($($method:ident $type:ty),*) => {
        $(fn $method(self, value: $type) -> Checked { integer(value) })*
    };
}

macro_rules! harmless {
    ($($method:ident ($($type:ty),*)),* $(,)?) => {
        $(fn $method(self $(, _: $type)*) -> Checked { Ok(()) })*
    };
}

macro_rules! compounds {
    ($($method:ident ($($type:ty),*)),* $(,)?) => {
        $(
            fn $method(self $(, _: $type)*) -> Result<Self, CanonicalError> { Ok(self) }
        )*
    };
}

impl Serializer for Numbers {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    integers!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64);
    harmless!(
        serialize_bool(bool),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_none(),
        serialize_unit(),
        serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str),
    );
    compounds!(
        serialize_seq(Option<usize>),
        serialize_tuple(usize),
        serialize_tuple_struct(&'static str, usize),
        serialize_tuple_variant(&'static str, u32, &'static str, usize),
        serialize_map(Option<usize>),
        serialize_struct(&'static str, usize),
        serialize_struct_variant(&'static str, u32, &'static str, usize),
    );

    fn serialize_u128(self, value: u128) -> Checked {
        integer(i128::try_from(value).unwrap_or(i128::MAX))
    }

    fn serialize_f32(self, value: f32) -> Checked {
        float(value.into())
    }

    fn serialize_f64(self, value: f64) -> Checked {
        float(value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Checked {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Checked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Checked {
        value.serialize(self)
    }
}

macro_rules! elements {
    ($($kind:ident $method:ident),*) => {
        $(impl $kind for Numbers {
            type Ok = ();
            type Error = CanonicalError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
                value.serialize(*self)
            }

            fn end(self) -> Checked {
                Ok(())
            }
        })*
    };
}

elements!(SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);

macro_rules! fields {
    ($($kind:ident),*) => {
        $(impl $kind for Numbers {
            type Ok = ();
            type Error = CanonicalError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Checked {
                value.serialize(*self)
            }

            fn end(self) -> Checked {
                Ok(())
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Numbers {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Checked {
        Ok(()) // a key becomes a text, whatever it is
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
        value.serialize(*self)
    }

    fn end(self) -> Checked {
        Ok(())
    }
}
