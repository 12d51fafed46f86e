//! Buckets of the clouds: which address is which store, and links that let a client read from it by itself.

use std::{fmt, sync::Arc, time::Duration};

use domain::digest::Digest;
use object_store::{
    ObjectStore,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    path::Path,
    prefix::PrefixStore,
    signer::Signer,
};

use crate::{ObjectStorage, OpenError, StorageError, location, storage::Form};

/// How long a link to a stored object can begin to be used.
const LINK_LIFE: Duration = Duration::from_secs(15 * 60);

/// A bucket, from a prefix on.
pub(crate) struct Bucket {
    address: String,
    variables: &'static str,
    pub(crate) objects: Arc<dyn ObjectStore>,
    signer: Arc<dyn Signer>,
    prefix: Path,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bucket({})", self.address)
    }
}

impl Bucket {
    /// The bucket of an address; none if the address is none of a bucket.
    pub(crate) fn open(
        address: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Option<Self>, OpenError> {
        let Some((scheme, rest)) = address.split_once("://") else { return Ok(None) };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let named = !bucket.is_empty() && matches!(scheme, "s3" | "gs" | "az");
        let prefix = Path::parse(prefix).ok().filter(|_| named);
        if scheme == "file" {
            return Ok(None);
        }
        let prefix = prefix.ok_or_else(|| OpenError::Address(address.to_owned()))?;
        // Of several TLS providers that the libraries could choose, this program has one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let of = |start: &str, all: Vec<(String, String)>| -> Vec<(String, String)> {
            let all = all.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
            all.filter(|(name, _)| name.starts_with(start)).collect()
        };
        let all: Vec<(String, String)> = variables.into_iter().collect();
        let (variables, objects, signer): (_, Arc<dyn ObjectStore>, Arc<dyn Signer>) = match scheme
        {
            "s3" => {
                let start = AmazonS3Builder::new().with_bucket_name(bucket);
                let builder = of("aws_", all).into_iter().fold(start, |builder, (name, value)| {
                    match name.parse::<AmazonS3ConfigKey>() {
                        Ok(key) => builder.with_config(key, value),
                        Err(_) => builder,
                    }
                });
                let store = Arc::new(builder.build()?);
                (
                    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
                    store.clone(),
                    store,
                )
            }
            "gs" => {
                let start = GoogleCloudStorageBuilder::new().with_bucket_name(bucket);
                let builder =
                    of("google_", all).into_iter().fold(start, |builder, (name, value)| {
                        match name.parse::<GoogleConfigKey>() {
                            Ok(key) => builder.with_config(key, value),
                            Err(_) => builder,
                        }
                    });
                let store = Arc::new(builder.build()?);
                ("GOOGLE_SERVICE_ACCOUNT", store.clone(), store)
            }
            _ => {
                let start = MicrosoftAzureBuilder::new().with_container_name(bucket);
                let builder =
                    of("azure_", all).into_iter().fold(start, |builder, (name, value)| {
                        match name.parse::<AzureConfigKey>() {
                            Ok(key) => builder.with_config(key, value),
                            Err(_) => builder,
                        }
                    });
                let store = Arc::new(builder.build()?);
                ("AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY", store.clone(), store)
            }
        };
        let objects: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(objects, prefix.clone()));
        Ok(Some(Self { address: address.to_owned(), variables, objects, signer, prefix }))
    }
}

impl ObjectStorage {
    /// Asks a bucket whether it is there and lets itself be read; a folder and memory are.
    ///
    /// # Errors
    /// [`OpenError::Bucket`] with what the store says.
    pub async fn check(&self) -> Result<(), OpenError> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let asked = self.objects.list_with_delimiter(None).await;
        asked.map(drop).map_err(|reason| OpenError::Bucket {
            address: bucket.address.clone(),
            reason,
            variables: bucket.variables,
        })
    }

    /// A link to the bytes of an object, signed for some minutes, from which everybody who has it can read; none for a checkpoint,
    /// which lies in many objects, and none where the store signs nothing.
    ///
    /// Who may have it is for the caller to know; the bytes are not checked on this way.
    ///
    /// # Errors
    /// [`StorageError::Absent`], or the store's failure.
    pub async fn signed_link(&self, digest: Digest) -> Result<Option<String>, StorageError> {
        let Some(bucket) = &self.bucket else { return Ok(None) };
        let form = self.form(digest).await?.ok_or(StorageError::Absent(digest))?;
        if !matches!(form, Form::Whole(_)) {
            return Ok(None);
        }
        let whole = location::whole(digest);
        let path: Path = bucket.prefix.parts().chain(whole.parts()).collect();
        let signed = bucket.signer.signed_url(http_get(), &path, LINK_LIFE).await;
        Ok(Some(signed.map_err(StorageError::Store)?.to_string()))
    }
}

const fn http_get() -> reqwest::Method {
    reqwest::Method::GET
}
