//! One tensor by its name.

use domain::{checkpoint::Header, digest::Digest};

use crate::world::{STEPS, World};

/// Status, entity tag and bytes of a tensor, or of a range of it.
async fn tensor(
    world: &World,
    token: Option<&str>,
    digest: &str,
    name: &str,
    range: Option<&str>,
) -> (u16, String, Vec<u8>) {
    let url = format!("{}/v1/objects/{digest}/tensors/{name}", world.url);
    let mut request = reqwest::Client::new().get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let answer = request.send().await.unwrap();
    let tag = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    (status, tag.unwrap_or_default(), answer.bytes().await.unwrap().to_vec())
}

/// Proves that every tensor comes as the bytes that the file has at its place, whole and by a range, and that a private
/// checkpoint's tensors, and tensors that there are not, are absent by one and the same answer.
#[tokio::test]
async fn tensors_by_name() {
    let world = World::new();
    world.publish("open", false, &STEPS[..1]).await;
    world.publish("lab/closed", true, &STEPS[1..2]).await;
    let [open, closed] = [STEPS[0], STEPS[1]].map(|step| Digest::of(step).to_string());
    let length = Header::length(*STEPS[0].first_chunk().unwrap()).unwrap();
    let header =
        Header::parse(&STEPS[0][..8 + length as usize], Some(STEPS[0].len() as u64)).unwrap();
    for entry in &header.tensors {
        let place = (header.data_offset() + entry.begin) as usize;
        let bytes = &STEPS[0][place..place + (entry.end - entry.begin) as usize];
        let (status, tag, whole) = tensor(&world, None, &open, &entry.name, None).await;
        assert_eq!((status, whole.as_slice()), (200, bytes), "{}", entry.name);
        assert_eq!(tag.len(), 66, "a key of 64 digits in quotes: {tag}");
        let (status, _, part) = tensor(&world, None, &open, &entry.name, Some("bytes=4-7")).await;
        assert_eq!((status, part.as_slice()), (206, &bytes[4..8]));
        let beyond = format!("bytes={}-", bytes.len());
        assert_eq!(tensor(&world, None, &open, &entry.name, Some(&beyond)).await.0, 416);
    }
    let name = &header.tensors[0].name;
    assert_eq!(tensor(&world, Some(&world.lab_token), &closed, name, None).await.0, 200);
    let nothing = Digest::of(b"nothing").to_string();
    for token in [None, Some(world.stranger_token.as_str())] {
        let hidden = tensor(&world, token, &closed, name, None).await;
        let absent = tensor(&world, token, &nothing, name, None).await;
        assert_eq!(hidden.0, 404);
        let text = String::from_utf8(hidden.2).unwrap().replace(&closed, &nothing);
        assert_eq!(text.into_bytes(), absent.2, "the answer tells that it is there");
    }
    assert_eq!(tensor(&world, None, &open, "no.such.tensor", None).await.0, 404);
}
