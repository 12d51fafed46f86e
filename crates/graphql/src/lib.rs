//! The GraphQL schema: everything but bytes.
//!
//! Laws of this crate: every list is a connection with a page limit; money is decimal strings in scalars of its own; a mutation is
//! noun first, takes one input with an `idempotencyKey` and answers one payload; an error carries a code out of a closed list.

mod error;
mod fields;
mod moment;
mod mutations;
mod pagination;
mod query;
mod scalars;
mod scope;
mod types;

use std::sync::Arc;

use async_graphql::{
    EmptySubscription, Executor, MergedObject, Request, Response, Schema, SchemaBuilder, Value,
};
use service::Service;

pub use error::code_errors;
pub use scope::RequestScope;

use fields::FieldOrder;
use mutations::{Mutation, manual::ClockMutation};
use query::Query;

/// Deepest nesting of a query.
const DEPTH_MAX: usize = 15;
/// Most fields that a query may ask for, pages counted with their sizes.
const COMPLEXITY_MAX: usize = 20_000;

/// Mutations of a server whose clock is moved by hand: tests and the demo.
#[derive(MergedObject, Default)]
struct ManualMutation(Mutation, ClockMutation);

type LiveSchema = Schema<Query, Mutation, EmptySubscription>;
type ManualSchema = Schema<Query, ManualMutation, EmptySubscription>;

/// An executable schema.
#[derive(Clone)]
pub struct Api(Executable);

#[derive(Clone)]
enum Executable {
    /// Time is the system's.
    Live(Box<LiveSchema>),
    /// Time moves by a mutation.
    Manual(Box<ManualSchema>),
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Executable::Live(_) => "Api(Live)",
            Executable::Manual(_) => "Api(Manual)",
        })
    }
}

fn limited<M: async_graphql::ObjectType + 'static>(
    builder: SchemaBuilder<Query, M, EmptySubscription>,
    service: Arc<Service>,
) -> Schema<Query, M, EmptySubscription> {
    builder.data(service).limit_depth(DEPTH_MAX).limit_complexity(COMPLEXITY_MAX).finish()
}

impl Api {
    /// The schema over a service; with `manual_clock` it has the mutation that moves time.
    #[must_use]
    pub fn new(service: Arc<Service>, manual_clock: bool) -> Self {
        if manual_clock {
            let builder = Schema::build(Query, ManualMutation::default(), EmptySubscription);
            Self(Executable::Manual(Box::new(limited(builder, service))))
        } else {
            let builder = Schema::build(Query, Mutation::default(), EmptySubscription);
            Self(Executable::Live(Box::new(limited(builder, service))))
        }
    }

    /// Runs one operation; its answer comes in the order of the question, and errors without a code of ours get one.
    pub async fn execute(&self, mut request: Request) -> Response {
        let operation = request.operation_name.clone();
        // A question that cannot be read is refused by the engine, in its words.
        let document = request.parsed_query().ok().cloned();
        let mut response = match &self.0 {
            Executable::Live(schema) => Executor::execute(&**schema, request).await,
            Executable::Manual(schema) => Executor::execute(&**schema, request).await,
        };
        // Only what passed the engine's limits has an answer: no fragment holds itself.
        if let Some(document) = document.filter(|_| response.data != Value::Null) {
            FieldOrder::of(&document, operation.as_deref()).apply(&mut response.data);
        }
        code_errors(response)
    }
}

/// The schema in SDL, as `schema/schema.graphql` keeps it: without the mutation of the manual clock.
#[must_use]
pub fn sdl() -> String {
    let schema: LiveSchema = Schema::build(Query, Mutation::default(), EmptySubscription).finish();
    schema.sdl_with_options(
        async_graphql::SDLExportOptions::new()
            .sorted_fields()
            .sorted_enum_items()
            .sorted_arguments(),
    )
}
