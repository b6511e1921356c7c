// SPDX-License-Identifier: CC0-1.0

//! Counts the words of a text from standard input and prints the most frequent ones.
//!
//! Usage: word_count [HOW_MANY] < text.txt

use std::collections::HashMap;
use std::env;
use std::io::{self, Read};
use std::process::ExitCode;

/// Splits a text into lower-case words. An apostrophe inside a word belongs to it, as in "don't".
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .map(|word| word.trim_matches('\'').to_lowercase())
        .filter(|word| !word.is_empty())
}

/// Returns each word with its count, the most frequent first and equally frequent ones in alphabetical order.
fn count_words(text: &str) -> Vec<(String, usize)> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for word in words(text) {
        *counts.entry(word).or_insert(0) += 1;
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    // A hash map has no fixed order, so without the second key the output would differ from run to run.
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sorted
}

/// Reads the optional argument; ten words are shown if there is none.
fn wanted(argument: Option<String>) -> Result<usize, String> {
    match argument {
        None => Ok(10),
        Some(text) => text
            .parse()
            .map_err(|_| format!("{text:?} is not a number of words")),
    }
}

fn main() -> ExitCode {
    let limit = match wanted(env::args().nth(1)) {
        Ok(limit) => limit,
        Err(message) => {
            eprintln!("word_count: {message}");
            return ExitCode::from(2);
        }
    };
    let mut text = String::new();
    if let Err(error) = io::stdin().read_to_string(&mut text) {
        eprintln!("word_count: cannot read the input: {error}");
        return ExitCode::FAILURE;
    }
    for (word, count) in count_words(&text).into_iter().take(limit) {
        println!("{count:>7} {word}");
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_regardless_of_case_and_punctuation() {
        let counts = count_words("Don't stop! Don't, I say: 'stop'.");
        let expected = [("don't", 2), ("stop", 2), ("i", 1), ("say", 1)];
        assert_eq!(counts.len(), expected.len());
        for (found, wanted) in counts.iter().zip(expected) {
            assert_eq!((found.0.as_str(), found.1), wanted);
        }
    }

    #[test]
    fn an_empty_text_has_no_words() {
        assert!(count_words(" -- ... ").is_empty());
    }
}
