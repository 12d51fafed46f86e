//! Pages out of the program itself: dashboard and playground.

use poem::{IntoResponse, Response, handler, http::StatusCode, web::Path};

macro_rules! assets {
    ($folder:literal: $($name:literal $kind:literal),+ $(,)?) => {
        &[$(($name, $kind, include_bytes!(concat!("../../assets/", $folder, "/", $name)))),+]
    };
}

type Asset = (&'static str, &'static str, &'static [u8]);

const PLAYGROUND: &[Asset] = assets!("playground":
    "index.html" "text/html; charset=utf-8",
    "graphiql.js" "text/javascript; charset=utf-8",
    "graphiql.css" "text/css; charset=utf-8",
    "playground.js" "text/javascript; charset=utf-8",
    "examples.graphql" "text/plain; charset=utf-8",
    "LICENSES.txt" "text/plain; charset=utf-8",
);
const DASHBOARD: &[Asset] = assets!("dashboard":
    "index.html" "text/html; charset=utf-8",
    "dashboard.js" "text/javascript; charset=utf-8",
    "dashboard.css" "text/css; charset=utf-8",
    "dashboard.graphql" "text/plain; charset=utf-8",
);

#[handler]
pub(super) fn playground() -> Response {
    page(PLAYGROUND, "index.html")
}

#[handler]
pub(super) fn playground_asset(Path(asset): Path<String>) -> Response {
    page(PLAYGROUND, &asset)
}

#[handler]
pub(super) fn dashboard() -> Response {
    page(DASHBOARD, "index.html")
}

#[handler]
pub(super) fn dashboard_asset(Path(asset): Path<String>) -> Response {
    page(DASHBOARD, &asset)
}

fn page(assets: &[Asset], name: &str) -> Response {
    match assets.iter().find(|(asset, _, _)| *asset == name) {
        Some((_, kind, bytes)) => bytes.to_vec().with_content_type(*kind).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
