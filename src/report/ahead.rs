//! A file that is read ahead, so that the elements of a long list in it are parsed out of memory, one at a time.

use std::io::{self, ErrorKind, Read};

use serde::de::DeserializeOwned;

/// Bytes read ahead. A longer element is left to who reads byte by byte.
const BUFFER_BYTES: usize = 1 << 18;

/// A file and what was read ahead of it.
pub(super) struct Ahead<R> {
    input: R,
    buffer: Vec<u8>,
    /// The first byte that was not taken yet.
    at: usize,
    /// Where what was read ends.
    end: usize,
}

/// What stands next in a list.
enum Next<T> {
    /// An element, and how many bytes it takes up with the comma before it.
    Whole(T, usize),
    /// The beginning of one, perhaps.
    Cut,
    /// Something else.
    Other,
}

impl<R: Read> Ahead<R> {
    pub(super) fn of(input: R) -> Self {
        Self { input, buffer: vec![0; BUFFER_BYTES], at: 0, end: 0 }
    }

    /// Takes the next element of a JSON list of objects, with the comma before it. Takes nothing and returns nothing if what
    /// follows is anything else, or an element that cannot be read.
    pub(super) fn element<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            match next(self.held()) {
                Next::Whole(element, n_bytes) => {
                    self.at += n_bytes;
                    return Ok(Some(element));
                }
                Next::Cut if self.fill()? => {}
                Next::Cut | Next::Other => return Ok(None),
            }
        }
    }

    fn held(&self) -> &[u8] {
        self.buffer.get(self.at..self.end).unwrap_or(&[])
    }

    /// Reads more; tells whether there was more, and room for it.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        let free = self.buffer.get_mut(self.end..).unwrap_or(&mut []);
        loop {
            match self.input.read(free) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => {
                    let n_bytes = read?;
                    self.end += n_bytes;
                    return Ok(n_bytes > 0);
                }
            }
        }
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.at == self.end && !self.fill()? {
            return Ok(0);
        }
        let n_bytes = self.held().read(bytes)?;
        self.at += n_bytes;
        Ok(n_bytes)
    }
}

fn next<T: DeserializeOwned>(held: &[u8]) -> Next<T> {
    let comma = blanks(held);
    match held.get(comma) {
        None => return Next::Cut,
        Some(b',') => {}
        Some(_) => return Next::Other,
    }
    let mut elements = serde_json::Deserializer::from_slice(held.get(comma + 1..).unwrap_or(&[])).into_iter::<T>();
    match elements.next() {
        Some(Ok(element)) => Next::Whole(element, comma + 1 + elements.byte_offset()),
        Some(Err(error)) if !error.is_eof() => Next::Other,
        _ => Next::Cut,
    }
}

/// Returns how many blanks come first.
fn blanks(held: &[u8]) -> usize {
    held.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')).count()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Named {
        name: String,
    }

    /// Gives one byte at a time, or all at once.
    struct Piecewise<'t>(&'t [u8], usize);

    impl Read for Piecewise<'_> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let n_bytes = bytes.len().min(self.1);
            self.0.read(&mut bytes[..n_bytes])
        }
    }

    /// Takes what can be taken; returns the names and what is left.
    fn taken(text: &str, at_once: usize) -> (Vec<String>, String) {
        let mut ahead = Ahead::of(Piecewise(text.as_bytes(), at_once));
        let mut names = Vec::new();
        while let Some(Named { name }) = ahead.element().unwrap() {
            names.push(name);
        }
        let mut rest = String::new();
        ahead.read_to_string(&mut rest).unwrap();
        (names, rest)
    }

    #[test]
    fn elements_are_taken_for_as_long_as_they_are_whole() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for at_once in [1, 2, 3, 7, usize::MAX] {
            let case = |text: &str, found: &[&str], rest: &str| {
                assert_eq!(taken(text, at_once), (names(found), rest.to_owned()), "{text}, {at_once} at once");
            };
            case(r#" , {"name": "a"},{"name":"\u00fc}"} ] {}"#, &["a", "ü}"], " ] {}");
            case(r#"{"name": "a"}"#, &[], r#"{"name": "a"}"#);
            case(r#",{"name": "a"},{"name": 7},{"name": "b"}"#, &["a"], r#",{"name": 7},{"name": "b"}"#);
            case(r#",{"name": "a"},{"name": "b"#, &["a"], r#",{"name": "b"#);
            case(r#",{"name": "a"},]"#, &["a"], ",]");
            case(r#",{"name": "a"}x"#, &["a"], "x");
            case(",", &[], ",");
            case("", &[], "");
        }
    }

    #[test]
    fn an_element_that_is_too_long_is_left() {
        let long = format!(r#",{{"name": "{}"}}]"#, "x".repeat(BUFFER_BYTES));
        assert_eq!(taken(&long, usize::MAX), (Vec::new(), long.clone()));
        assert_eq!(taken(&long, 4_099), (Vec::new(), long));
    }
}
