//! Statistics of all domains: libvirt's typed parameters as they are.

use std::collections::HashMap;
use std::ffi::{CStr, c_uint};

use napi_derive::napi;
use virt::connect::Connect;
use virt_sys::{
    VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
    VIR_DOMAIN_STATS_BALLOON, VIR_DOMAIN_STATS_BLOCK, VIR_DOMAIN_STATS_CPU_TOTAL,
    VIR_DOMAIN_STATS_INTERFACE, VIR_DOMAIN_STATS_STATE, VIR_DOMAIN_STATS_VCPU,
    VIR_TYPED_PARAM_BOOLEAN, VIR_TYPED_PARAM_DOUBLE, VIR_TYPED_PARAM_INT, VIR_TYPED_PARAM_LLONG,
    VIR_TYPED_PARAM_STRING, VIR_TYPED_PARAM_UINT, VIR_TYPED_PARAM_ULLONG, virDomainStatsRecordPtr,
    virTypedParameter,
};

use crate::failure::Failure;

/// One measured value; exactly one of `number` and `text` is there.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct StatisticsField {
    /// libvirt's name, such as `net.0.rx.bytes`.
    pub name: String,
    /// Integers, floating numbers, and booleans as 0 or 1. Exact up to 2^53.
    pub number: Option<f64>,
    /// Texts.
    pub text: Option<String>,
}

/// What is measured of one domain.
#[napi(object)]
#[derive(Debug, Clone)]
pub struct DomainStatistics {
    /// Name of the domain.
    pub domain: String,
    /// State, processor time, balloon, virtual processors, interfaces, disks.
    pub fields: Vec<StatisticsField>,
}

/// Reads state, processor, balloon, vcpu, interface and block groups of every active domain. A
/// domain that a job keeps busy gives what is known without asking its QEMU.
pub fn read(connect: &Connect) -> Result<Vec<DomainStatistics>, Failure> {
    let groups: c_uint = VIR_DOMAIN_STATS_STATE
        | VIR_DOMAIN_STATS_CPU_TOTAL
        | VIR_DOMAIN_STATS_BALLOON
        | VIR_DOMAIN_STATS_VCPU
        | VIR_DOMAIN_STATS_INTERFACE
        | VIR_DOMAIN_STATS_BLOCK;
    let flags: c_uint =
        VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
    read_groups(connect, groups, flags)
}

/// State and reason of every domain, active or not, by its name.
pub fn states(connect: &Connect) -> Result<HashMap<String, (i32, i32)>, Failure> {
    let number = |fields: &[StatisticsField], name: &str| {
        let found = fields.iter().find(|field| field.name == name)?.number?;
        #[allow(clippy::cast_possible_truncation)] // libvirt's numbers of states are small
        Some(found as i32)
    };
    let all = read_groups(connect, VIR_DOMAIN_STATS_STATE, 0)?;
    Ok(all
        .into_iter()
        .filter_map(|DomainStatistics { domain, fields }| {
            let state = number(&fields, "state.state")?;
            let reason = number(&fields, "state.reason")?;
            Some((domain, (state, reason)))
        })
        .collect())
}

fn read_groups(
    connect: &Connect,
    groups: c_uint,
    flags: c_uint,
) -> Result<Vec<DomainStatistics>, Failure> {
    let mut records: *mut virDomainStatsRecordPtr = std::ptr::null_mut();
    // SAFETY: the connection is open; libvirt allocates the list and stores it in `records`.
    let count = unsafe {
        virt_sys::virConnectGetAllDomainStats(connect.as_ptr(), groups, &raw mut records, flags)
    };
    let Ok(count) = usize::try_from(count) else { return Err(Failure::last()) };
    let mut all = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: the list has `count` valid records; all text is copied before it is freed.
        all.push(unsafe { read_record(*records.add(index)) });
    }
    // SAFETY: the list came from libvirt and is freed once; records and domains go with it.
    unsafe { virt_sys::virDomainStatsRecordListFree(records) };
    Ok(all)
}

/// # Safety
/// `record` is a valid record of libvirt.
unsafe fn read_record(record: virDomainStatsRecordPtr) -> DomainStatistics {
    // SAFETY: as the caller promises; the name belongs to the record's domain.
    let (name, first, count) = unsafe {
        let name = virt_sys::virDomainGetName((*record).dom);
        (name, (*record).params, usize::try_from((*record).nparams).unwrap_or(0))
    };
    let domain = if name.is_null() {
        String::new()
    } else {
        // SAFETY: libvirt's names end with a NUL.
        unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
    };
    // SAFETY: there are `count` parameters from `first` on.
    let fields = (0..count).map(|index| read_field(unsafe { &*first.add(index) })).collect();
    DomainStatistics { domain, fields }
}

#[allow(clippy::cast_precision_loss)] // counters beyond 2^53 lose their last bits, as documented
fn read_field(parameter: &virTypedParameter) -> StatisticsField {
    // SAFETY: field names are NUL-ended within their array.
    let name = unsafe { CStr::from_ptr(parameter.field.as_ptr()) }.to_string_lossy().into_owned();
    let value = &parameter.value;
    // SAFETY: `type_` says which member of the union is set; texts end with a NUL.
    let (number, text) = unsafe {
        match parameter.type_.cast_unsigned() {
            VIR_TYPED_PARAM_INT => (Some(f64::from(value.i)), None),
            VIR_TYPED_PARAM_UINT => (Some(f64::from(value.ui)), None),
            VIR_TYPED_PARAM_LLONG => (Some(value.l as f64), None),
            VIR_TYPED_PARAM_ULLONG => (Some(value.ul as f64), None),
            VIR_TYPED_PARAM_DOUBLE => (Some(value.d), None),
            VIR_TYPED_PARAM_BOOLEAN => (Some(f64::from(u8::from(value.b != 0))), None),
            VIR_TYPED_PARAM_STRING if !value.s.is_null() => {
                (None, Some(CStr::from_ptr(value.s).to_string_lossy().into_owned()))
            }
            _ => (None, Some(String::new())),
        }
    };
    StatisticsField { name, number, text }
}
