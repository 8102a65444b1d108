//! The schema of the worlds: every kind of property there is. What keeps a history and what may be none is drawn at random.

use crate::oracle::random::Random;

/// Returns the text of a schema file.
pub(crate) fn own_schema(random: &mut Random) -> String {
    let mut text = SCHEMA.to_owned();
    // Each mark is drawn by itself, so the two sides of a reference may differ.
    while let Some(at) = text.find("#H") {
        let history = if random.chance(35) { " history" } else { "" };
        text.replace_range(at..at + 2, history);
    }
    while let Some(at) = text.find("#O") {
        let optional = if random.chance(50) { "?" } else { "" };
        text.replace_range(at..at + 2, optional);
    }
    let lifetimes = [
        "@lifetime(from: \"made_at\", to: \"gone_at\")\n",
        "@lifetime(from: \"made_at\", to: \"gone_at\")\n",
        "@lifetime(from: \"made_at\")\n",
        "@lifetime(to: \"gone_at\")\n",
        "",
    ];
    text.replace("#L\n", lifetimes[random.below(lifetimes.len())])
}

/// The name `Scope` makes `covers` read the tree of parents.
const SCHEMA: &str = "edition 1
module agree.schema

enum Color { Red, Green, Blue }
enum Phase { Draft, Live, Dead, Gone }
type Code = String matching /[a-c]{1,2}[0-9]?/
type Tag = Guid

@source(api: \"a:scopes\", permission: \"Scopes.Read\")
abstract entity Scope key id: ArmId {
  display_name: String?
  color: Color#H
  level: Int?#H
  parent: Scope? inverse children#H
  children: set Scope inverse parent#H
  @source(api: \"a:grants\", permission: \"Grants.Read\", register: \"grants\")
  grants: set Grant inverse scope#H
  @derived(from: \"grants\", along: \"parent\")
  grants_above: set Grant
  @derived(from: \"grants\", along: \"children\")
  grants_below: set Grant
}
abstract entity Box is Scope {
  size: Int
  lid: Duration?
  rival: Box?#H
}
entity Crate is Box {
  code: Code?
  weight: Int?
  twin: Crate?
  sealed_at: Instant
}
entity Barrel is Box {
  opened_at: Instant?#H
  stored_for: Duration
  sound: Bool
  @source(register: \"lids\")
  labels: set Code
}
@source(api: \"a:rooms\", permission: \"Rooms.Read\")
entity Room is Scope {
  tag: Tag
  near: ArmId?
  doors: set Room#H
  names: set String
  codes: set Int
  days: set Instant
  hues: set Color
  spans: set Duration
  tags: set Tag
}

abstract entity Actor key guid: Guid {
  active: Bool#H
  works: Duration?
  boss: Actor? inverse staff#H
  staff: set Actor inverse boss#H
  clubs: set Club inverse members#H
  grants: set Grant inverse holder#H
}
@source(api: \"a:people\", permission: \"People.Read\")
entity Person is Actor {
  born_at: Instant
  nick: String?
  mood: Color?#H
  flag: Bool?
}
entity Club is Actor {
  members: set Actor inverse clubs#H
  motto: String
  rank: Int#H
  home: Scope?#H
}
entity Robot is Actor {}

#L
entity Grant key id: String {
  scope: Scope#O inverse grants#H
  holder: Actor#O inverse grants#H
  phase: Phase#H
  made_at: Instant?
  gone_at: Instant?
  weight: Int?
  backup: Grant?
  uses: set Ticket inverse grant
}
@source(register: \"tickets\")
entity Ticket key number: Int {
  grant: Grant#O inverse uses
  seen_at: Instant
  points: Int
  done: Bool?
  next: Ticket?#H
  related: set Ticket
}
";
