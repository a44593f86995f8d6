//! `encodeStripe`, bound by hand: through the derive macro this call costs some 100 ns more, which
//! is half of what encoding a 4+2 stripe of 4 KiB shards costs.

use std::ptr;

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, JsValue, sys};
use napi_derive::napi;

use crate::failure::{EcFailure, guarded};
use crate::handles::with_codec;

const ARGUMENTS: usize = 3;

/// Adds the function to what the addon exports.
#[napi(module_exports)]
pub fn add_encode_stripe(exports: Object<'_>, env: Env) -> napi::Result<()> {
    let mut function = ptr::null_mut();
    let name = c"encodeStripe";
    // SAFETY: `env` and `exports` are those of the module that is being loaded, the name ends with
    // a zero, and `function` is written before it is read, because the first status is checked.
    let status = unsafe {
        let created = sys::napi_create_function(
            env.raw(),
            name.as_ptr(),
            name.count_bytes().cast_signed(),
            Some(encode_stripe),
            ptr::null_mut(),
            &raw mut function,
        );
        if created == sys::Status::napi_ok {
            sys::napi_set_named_property(env.raw(), exports.raw(), name.as_ptr(), function)
        } else {
            created
        }
    };
    napi::check_status!(status, "cannot add encodeStripe")
}

/// `encodeStripe(handle, stripe, shardBytes)`: undefined, or a failure.
unsafe extern "C" fn encode_stripe(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    // SAFETY: Node-API calls this with its own `env` and `info`.
    let done = guarded(|| unsafe { encode(env, info) });
    // SAFETY: as above. Null, which JavaScript sees as undefined, also stands for a failure that
    // could not be made into an object; an exception is pending then.
    done.map_or_else(
        |failure| unsafe { EcFailure::to_napi_value(env, failure) }.unwrap_or(ptr::null_mut()),
        |()| ptr::null_mut(),
    )
}

/// SAFETY: `env` and `info` are those of the call under way.
unsafe fn encode(env: sys::napi_env, info: sys::napi_callback_info) -> Result<(), EcFailure> {
    let mut count = ARGUMENTS;
    let mut arguments = [ptr::null_mut(); ARGUMENTS];
    let (mut handle, mut shard_bytes) = (0_u32, 0_i64);
    let (mut bytes, mut length) = (ptr::null_mut(), 0_usize);
    let ok = sys::Status::napi_ok;
    // SAFETY: `count` is the room in `arguments`; what is missing is filled with undefined, which
    // the later calls refuse by their status. Each result is used only if every status is good.
    let good = unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            arguments.as_mut_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
        ) == ok
            && sys::napi_get_value_uint32(env, arguments[0], &raw mut handle) == ok
            && sys::napi_get_buffer_info(env, arguments[1], &raw mut bytes, &raw mut length) == ok
            && sys::napi_get_value_int64(env, arguments[2], &raw mut shard_bytes) == ok
    };
    if !good {
        return Err(EcFailure::invalid("encodeStripe takes a handle, a Uint8Array and a number"));
    }
    let stripe: &mut [u8] = if length == 0 || bytes.is_null() {
        &mut []
    } else {
        // SAFETY: Node-API gave this memory, which lives as long as the call: no JavaScript runs
        // in this thread meanwhile, and memory shared with other threads was refused above this.
        unsafe { std::slice::from_raw_parts_mut(bytes.cast(), length) }
    };
    let shard_bytes = usize::try_from(shard_bytes).unwrap_or_default();
    with_codec(handle, |codec| codec.encode_stripe(stripe, shard_bytes))??;
    Ok(())
}
