//! The worker as any harness sees it: lines in, one JSON object each out, nothing else.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn ask(lines: &str, environment: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_purlin-ec-worker"))
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the worker starts");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("the worker reads");
    child.wait_with_output().expect("the worker ends")
}

fn answers(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The value of a field of a flat JSON object.
fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let start = answer.find(&format!("\"{name}\":")).expect("the field is there");
    let rest = &answer[start + name.len() + 3..];
    &rest[..rest.find([',', '}']).expect("the field ends")]
}

#[test]
fn every_operation_is_answered_by_one_object_with_true_bytes() {
    let shapes = ["2 1 4096 1", "4 2 4096 3", "10 4 1000 1", "5 2 1 2", "3 5 65535 1", "1 1 31 1"];
    let operations = ["enc", "dec", "rep", "upd", "batch"];
    let lines: Vec<String> = shapes
        .iter()
        .flat_map(|shape| operations.map(|operation| format!("{operation} {shape} 0.05")))
        .collect();
    for technique in ["", "cauchy"] {
        let environment = [("PURLIN_EC_TECHNIQUE", technique)];
        let output = ask(&(lines.join("\n") + "\n"), &environment);
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let answers = answers(&output);
        assert_eq!(answers.len(), lines.len());
        for (line, answer) in lines.iter().zip(&answers) {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |place: usize| words[place].parse::<u64>().expect("a number");
            let shards = if words[0] == "upd" { 1 } else { number(1) };
            assert_eq!(field(answer, "ok"), "true", "{technique} {line}: {answer}");
            assert_eq!(field(answer, "bytes"), (shards * number(3)).to_string(), "{line}");
            assert!(field(answer, "iters").parse::<u64>().expect("a number") > 0, "{line}");
            assert!(field(answer, "ns").parse::<u64>().expect("a number") >= 50_000, "{line}");
        }
    }
}

#[test]
fn streaming_stores_and_every_kernel_give_true_bytes() {
    let listed = Command::new(env!("CARGO_BIN_EXE_purlin-ec-worker"))
        .arg("kernels")
        .output()
        .expect("the worker starts");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let kernels: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(" yes")).collect();
    assert!(kernels.contains(&"scalar"));
    for kernel in kernels {
        for store in ["cached", "stream"] {
            let environment = [("PURLIN_EC_KERNEL", kernel), ("PURLIN_EC_STORE", store)];
            let output = ask("enc 4 2 4096 2 0.05\ndec 8 3 65 1 0.05\n", &environment);
            let answers = answers(&output);
            assert_eq!(answers.len(), 2);
            assert!(answers.iter().all(|answer| field(answer, "ok") == "true"), "{kernel} {store}");
        }
    }
}

#[test]
fn a_request_that_cannot_be_served_is_answered_with_no_iterations_and_a_reason() {
    for line in ["enc 4 2 4096 1", "enc 0 2 4096 1 1", "enc 200 57 1 1 1", "xor 4 2 4096 1 1"] {
        let output = ask(&format!("{line}\n"), &[]);
        let answers = answers(&output);
        assert_eq!(answers.len(), 1, "{line}");
        assert_eq!((field(&answers[0], "iters"), field(&answers[0], "ok")), ("0", "false"));
        assert!(String::from_utf8_lossy(&output.stderr).contains(line), "{line}");
    }
    let refused = ask("enc 22 4 64 1 1\n", &[("PURLIN_EC_TECHNIQUE", "reed_sol_van")]);
    assert_eq!(field(&answers(&refused)[0], "iters"), "0");
    let unknown = ask("", &[("PURLIN_EC_STORE", "nowhere")]);
    assert!(!unknown.status.success());
}
