//! The messages and services as generated from `proto/barid`. Only the conversions and the transports use them.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::large_futures, clippy::too_many_lines)]

pub mod config {
    pub mod v1 {
        tonic::include_proto!("barid.config.v1");
    }
}
pub mod control {
    pub mod v1 {
        tonic::include_proto!("barid.control.v1");
    }
}
pub mod model {
    pub mod v1 {
        tonic::include_proto!("barid.model.v1");
    }
}
pub mod parse {
    pub mod v1 {
        tonic::include_proto!("barid.parse.v1");
    }
}
pub mod route {
    pub mod v1 {
        tonic::include_proto!("barid.route.v1");
    }
}
pub mod transform {
    pub mod v1 {
        tonic::include_proto!("barid.transform.v1");
    }
}
