//! Text of the Prometheus exposition format, version 0.0.4.
use std::fmt::Write;

/// What a metric's value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up until the system starts again.
    Counter,
    /// Goes both ways.
    Gauge,
}

/// A metric's name, kind and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// As `node_exporter` calls it.
    pub name: &'static str,
    /// Counter or gauge.
    pub kind: Kind,
    /// One sentence.
    pub help: &'static str,
}

impl Family {
    /// A counter.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, help }
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, help }
    }
}

/// More text than this is not written: the server takes 1 MiB.
pub const MAXIMUM_BYTES: usize = 1 << 20;

/// Text that grows a metric at a time. What no longer fits is left out whole lines at a time.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    lines_left_out: u64,
}

impl Exposition {
    /// Begins a metric whose name is known: its samples follow.
    pub fn family(&mut self, family: Family) {
        self.begin(family.name, family.kind, family.help);
    }

    /// Begins a metric whose name is made of what the kernel says; anything that may not stand in a
    /// name becomes `_`.
    pub fn begin(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let name = clean_name(name);
        self.put(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A sample. Label values may hold anything; they are escaped.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let mut line = clean_name(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            line.push(if index == 0 { '{' } else { ',' });
            line.push_str(label);
            line.push_str("=\"");
            escape(value, &mut line);
            line.push('"');
        }
        if !labels.is_empty() {
            line.push('}');
        }
        line.push(' ');
        number(value, &mut line);
        line.push('\n');
        self.put(&line);
    }

    /// The text, and how many lines did not fit.
    pub fn finish(self) -> (String, u64) {
        (self.text, self.lines_left_out)
    }

    fn put(&mut self, lines: &str) {
        if self.text.len() + lines.len() > MAXIMUM_BYTES {
            self.lines_left_out += 1;
        } else {
            self.text.push_str(lines);
        }
    }
}

fn clean_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' }).collect()
}

fn escape(value: &str, line: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => line.push_str("\\\\"),
            '"' => line.push_str("\\\""),
            '\n' => line.push_str("\\n"),
            other => line.push(other),
        }
    }
}

fn number(value: f64, line: &mut String) {
    // Writing to a string cannot fail.
    let _ = if value.is_nan() {
        write!(line, "NaN")
    } else if value.is_infinite() {
        write!(line, "{}Inf", if value > 0.0 { '+' } else { '-' })
    } else {
        write!(line, "{value}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_metric_is_its_help_its_type_and_its_samples() {
        let mut text = Exposition::default();
        text.family(Family::gauge("node_load1", "1m load average."));
        text.sample("node_load1", &[], 0.25);
        text.sample("node_x", &[("a", "b\"\\\n"), ("c", "")], f64::NEG_INFINITY);
        assert_eq!(
            text.finish().0,
            "# HELP node_load1 1m load average.\n# TYPE node_load1 gauge\nnode_load1 0.25\n\
             node_x{a=\"b\\\"\\\\\\n\",c=\"\"} -Inf\n"
        );
    }

    proptest! {
        #[test]
        fn whatever_a_label_holds_a_sample_stays_one_line(name in ".*", value in ".*", n: f64) {
            let mut text = Exposition::default();
            text.sample(&format!("node_{name}"), &[("label", &value)], n);
            let (text, _) = text.finish();
            prop_assert_eq!(text.matches('\n').count(), 1);
            prop_assert!(text.ends_with('\n') && text.starts_with("node_"));
        }

        #[test]
        fn the_text_never_grows_past_its_bound(
            length in 1000_usize..200_000,
            times in 1_usize..40
        ) {
            let mut text = Exposition::default();
            let value = "x".repeat(length);
            for _ in 0..times {
                text.sample("node_x", &[("label", &value)], 1.0);
            }
            let (text, left_out) = text.finish();
            prop_assert!(text.len() <= MAXIMUM_BYTES);
            prop_assert_eq!(text.lines().count() as u64 + left_out, times as u64);
        }
    }
}
