//! Sets the linker's options for a Node-API addon.

fn main() {
    napi_build::setup();
}
