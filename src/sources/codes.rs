//! What each diagnostic code of registers, of `tenet.toml` and of mappings means: the pages behind `tenet explain R0003`.

use crate::text::CodePage;

/// Registers.
pub const REGISTER_CODES: &[CodePage] = &[
    page(
        "R0001",
        "unreadable register",
        "The file is not YAML, JSON or CSV, or uses something that registers do without: anchors, aliases, merge keys, a second document, a key that stands twice. The message says where reading stopped.",
    ),
    page(
        "R0002",
        "file",
        "The register cannot be read, leaves the governance repo, is not UTF-8, or is larger than the limit the message names.",
    ),
    page(
        "R0003",
        "wrong shape",
        "A register is a list of rows, and a row is a list of named cells. In CSV every row has as many cells as the header.",
    ),
    page(
        "R0004",
        "unknown or repeated column",
        "The entity has no property of this name, and the form knows no other use for the column; or one row says the same thing twice. `tenet explain ENTITY` lists the properties.",
    ),
    page(
        "R0005",
        "incomplete row",
        "A row says who vouches for it (`attested_by`) and when (`attested_on`), and what identifies it. The first two may stand once: at the top of the file, or at the register in tenet.toml.",
    ),
    page(
        "R0006",
        "value does not fit",
        "The cell holds something that its property cannot hold. An empty cell means that the value is not known; `none` means that there is none.",
    ),
    page(
        "R0007",
        "contradiction",
        "Two rows about the same thing say different things, two records name different partners from the same instant, or two cells of a row exclude each other. A register with a contradiction brings no fact at all.",
    ),
    page("R0008", "repeated row", "The row says what an earlier one says. It is read once; delete one of them."),
    page(
        "R0009",
        "wrong evidence",
        "The evidence file is not the one that was attested, its path leaves the governance repo, or the digest is no sha256. Look at the file before you change the digest.",
    ),
    page(
        "R0010",
        "evidence not checked",
        "The evidence file is not there, or the row does not state its sha256, so nobody can tell whether it is still the same file.",
    ),
    page(
        "R0011",
        "claim of completeness",
        "A claim says for which subjects nothing is missing (`subjects: all`, or a list of ids), may say from when to when, and names who vouches for it. It is about entities that the register itself brings.",
    ),
    page(
        "R0012",
        "not the form of a GUID",
        "The id does not look like a GUID. It is taken as written, and probably names something that is not there: compare it with its source.",
    ),
    page(
        "R0013",
        "unknown entity",
        "`entity` of a register names an entity type of the schema: a built-in one, or one of the governance repo.",
    ),
    page(
        "R0014",
        "another directory",
        "The row says that it is about another directory than the one the snapshot describes. Its facts do not belong here.",
    ),
    page(
        "R0015",
        "end not known",
        "A designation whose `removed_on` is blank is neither in force nor over, and rules about it stay unknown. Write `none` if it is in force.",
    ),
    page(
        "R0016",
        "refused",
        "The row passed all checks of the register and does not fit the snapshot all the same. This is a mistake of tenet: report it.",
    ),
];

/// `tenet.toml`.
pub const CONFIG_CODES: &[CodePage] = &[
    page("C0001", "unreadable configuration", "tenet.toml is not TOML, or is larger than the limit the message names."),
    page(
        "C0002",
        "unknown key",
        "Nothing is called so at this place. A key nobody reads would look as if it did something, so it is an error.",
    ),
    page("C0003", "wrong kind of value", "The key wants another kind of value; the message says which."),
    page(
        "C0004",
        "path leaves the repo",
        "Paths are relative to the folder of tenet.toml and stay inside it. Only the snapshot folder may be elsewhere.",
    ),
    page("C0005", "said twice", "A parameter is set twice, or a register is declared twice."),
    page(
        "C0006",
        "incomplete register",
        "A register has a `file`, and either a `form` or an `entity`; a claim of completeness says for which `subjects`.",
    ),
];

/// Mappings of `tenet import tables`.
pub const MAPPING_CODES: &[CodePage] = &[
    page(
        "M0001",
        "unreadable mapping",
        "The mapping is not YAML, uses something that mappings do without (anchors, aliases, merge keys, a second document, a key that stands twice), or is over the limit the message names.",
    ),
    page(
        "M0002",
        "unknown key",
        "Nothing is called so at this place. A key nobody reads would look as if it did something, so it is an error.",
    ),
    page("M0003", "wrong kind of value", "The key wants another kind of value; the message says which."),
    page(
        "M0004",
        "not in the schema",
        "The schema has no such entity type or property, or not of the kind that is wanted here. `tenet explain ENTITY` lists the properties.",
    ),
    page("M0005", "incomplete", "Something that is needed here is not said; the message names the key."),
];

const fn page(code: &'static str, title: &'static str, text: &'static str) -> CodePage {
    CodePage { code, title, text }
}

/// Returns the page of a code of registers, the configuration or mappings, whatever its case.
#[must_use]
pub fn source_code_page(code: &str) -> Option<&'static CodePage> {
    REGISTER_CODES.iter().chain(CONFIG_CODES).chain(MAPPING_CODES).find(|page| page.code.eq_ignore_ascii_case(code))
}
