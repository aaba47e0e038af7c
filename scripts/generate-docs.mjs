// Writes docs/errors.md, docs/checks.md, docs/outcomes.md and docs/commands.md from the tables in the code, so that none can say something else.
//   node scripts/generate-docs.mjs            writes them
//   node scripts/generate-docs.mjs --check    changes nothing; ends with 1 if one of them is not what would be written
// Needs the built package: `npm run build`.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

import { commandsPage } from './lib/command-reference.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Codes of the loader: it raises them when there is no native module to ask. */
const OF_THE_LOADER = [
  {
    code: 'ERR_BINARY_UNLOADABLE',
    fault: 'host',
    retry: false,
    meaning: 'The native binary for this platform is there, and the system cannot load it; the message says why.',
    remedy: 'Delete node_modules and install again on the machine that runs it. If the message names GLIBC, use a newer distribution, or build from source.',
  },
  {
    code: 'ERR_BINARY_VERSION',
    fault: 'host',
    retry: false,
    meaning: 'The package and its binary package come from two releases.',
    remedy: 'Delete node_modules and install again.',
  },
]

/** Pages by path, as they should be. */
export async function pages() {
  const { checkRules, errorCodes, outcomeRows } = createRequire(import.meta.url)(join(root, 'dist', 'facade', 'index.js'))
  const codes = [...OF_THE_LOADER, ...errorCodes()]
  assertComplete(codes)
  return new Map([
    ['docs/errors.md', errorsPage(codes)],
    ['docs/checks.md', checksPage(checkRules())],
    ['docs/outcomes.md', outcomesPage(outcomeRows())],
    ['docs/commands.md', await commandsPage(WRITTEN_BY, root)],
  ])
}

/** Every code that the TypeScript names must be in the table. */
function assertComplete(codes) {
  const known = new Set(codes.map(({ code }) => code))
  const folder = join(root, 'js')
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.ts'))
  const named = files.flatMap((name) => readFileSync(join(folder, name), 'utf8').match(/\bERR_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [])
  const unknown = [...new Set(named)].filter((code) => !known.has(code))
  if (unknown.length > 0) throw new Error(`js/ raises codes that no table knows: ${unknown.join(', ')}`)
}

const WRITTEN_BY = '<!-- Written by scripts/generate-docs.mjs from the tables in the code. Change those, then run it again. -->'

function errorsPage(codes) {
  const isOfHl7 = ({ code }) => code.startsWith('ERR_HL7_')
  const row = ({ code, fault, retry, meaning, remedy }) => [`\`${code}\``, fault, retry ? 'yes' : 'no', sentence(meaning), sentence(remedy)]
  const heading = ['code', 'whose', 'again', 'what happened', 'what to do']
  return `# Errors

${WRITTEN_BY}

Everything that fails rejects with an \`Hl7OutboxError\`. Its \`code\` is stable and is what a program should compare; \`message\` is
for people, and \`hint\` is the last column of these tables. No error holds content of a message or of an answer.

- **whose**: \`caller\`, the program that called (its message, options or configuration); \`host\`, the machine (disk, rights,
  another process); \`outbox\`, a defect of this package.
- **again**: whether the same call can succeed later although the caller changed nothing.

\`ERR_ENQUEUE_TIMEOUT\` and \`ERR_STORE_FAILED\` leave open whether the message is on disk. Repeat the same bytes when the outbox is
well again: the same MSH-10 with the same bytes is stored once.

Commands give the codes \`ERR_IN_FLIGHT\`, \`ERR_STATE\`, \`ERR_MESSAGE_ID\` and \`OVERTAKEN\` also in \`unchanged\`, for each message
that they left alone.

## Of the package, the configuration and the file

${table(heading, codes.filter((each) => !isOfHl7(each)).map(row))}

## Of the message

Raised by \`enqueueHl7\` for bytes that could not be sent as they are. The error also has \`segment\`, \`field\` and \`position\` (a byte
offset in what was passed). Nothing was stored.

${table(heading, codes.filter(isOfHl7).map(row))}
`
}

function checksPage(rules) {
  const row = ({ code, severity, meaning, remedy, example }) => [`\`${code}\``, severity, sentence(meaning), sentence(remedy), example.split('\r').map((change) => `\`${change.replace('\t', '→')}\``).join(' ')]
  const heading = ['code', 'severity', 'what is wrong', 'what to do', 'example']
  const of = (profile) => table(heading, rules.filter((rule) => rule.profile === profile).map(row))
  return `# Checks

${WRITTEN_BY}

\`checkHl7(message)\` lists everything that is wrong with a message, before it is stored or sent; an empty list means that nothing was
found. It is synchronous, opens no outbox and changes nothing.

\`\`\`js run
import { checkHl7 } from 'hl7-outbox'

const findings = checkHl7('MSH|^~\\\\&|A|B|C|D|20260131T094500||ADT^A04|000TEST42|T|2.5.1\\rPID|1||789012', { profile: 'malaffi', doctorIds: ['GD0000'] })
for (const { severity, code, segment, field, message } of findings) console.log(severity, code, segment, field ?? '', message)
\`\`\`

- An **error** is something that enqueueHl7 refuses, or that the standard forbids and receivers refuse. A **warning** is probably not
  what was meant, or is read well only by lenient receivers.
- **segment** is \`PID\`; \`OBX[2]\` is the second OBX; \`#4\` is the fourth segment, where its name is not one of the standard's and might be
  anybody's; empty means the whole message. **field** is \`10\`, or \`3.4\` with a component.
- No finding holds a value of the message: they may be logged and shown.
- A mistake of the whole message (its bytes, line ends, character set) is told once. Of one code at most 100 findings are listed; the last
  says how many more there are.
- A message over \`messageBytes\` (default 16 MiB) gives \`ERR_HL7_TOO_LARGE\` and nothing else. The check runs on the
  calling thread: some ten microseconds for a usual message, about a millisecond for one with a document of a megabyte in it, some ten
  for fifteen thousand OBX. The worst there is, 16 MiB of nothing but bare segments, takes most of a second: pass a smaller
  \`messageBytes\` where strangers' messages are checked.

With the option \`check\`, enqueueHl7 checks first and refuses a message with an error in it: \`ERR_CHECK_FAILED\`, with the place of the
first error and how many there are. Warnings pass. It runs where the message is read, off the JavaScript thread.

\`\`\`ts
import { enqueueHl7 } from 'hl7-outbox'

declare const hl7: string
await enqueueHl7(hl7, { check: { profile: 'malaffi', doctorIds: ['GD0000', 'GD0001'] } }) // or check: 'hl7'
\`\`\`

The command does the same for files: \`hl7-outbox check\` ([command-line.md](command-line.md)).

## What enqueueHl7 refuses

Every code of [errors.md](errors.md#of-the-message) can be a finding, as an error. enqueueHl7 stops at the first; the check lists all.

## Profile hl7

The rules of HL7 2.5.1 that senders break most, as far as they can be told from the message alone. An example is a change to a good
message (an ADT^A04, or an ORU^R01 if OBR or OBX are concerned): \`MSH-10=…\` sets a field, \`-EVN\` leaves a segment out, \`+PD1|\` adds one
at the end. A test makes each change, and the check must find this rule and no other.

${of('hl7')}

What cannot be told is left alone: an unescaped \`^\` that makes a name one component longer looks like any good name, and a missing MSH-9.3
passes because receivers go by the event. \`HL7_DOCTOR_UNLISTED\` needs \`doctorIds\`; it looks at PV1-7, 8, 9 and 17, ORC-12, OBR-16 and OBX-16.

## Profile malaffi

These besides. They are what is publicly known; Malaffi's own specification is not, so a message without a finding can still be refused.

${of('malaffi')}
`
}

function outcomesPage(rows) {
  const list = (outcomes) => outcomes.map((outcome) => `\`${outcome}\``).join(', ')
  const row = ({ name, rule, meaning, outcome, overrides, example }) => [
    `\`${name}\``,
    String(rule),
    `${meaning}<br>\`${example}\``,
    `\`${outcome}\``,
    list(overrides.filter((other) => other !== outcome)) || '–',
  ]
  return `# Outcomes

${WRITTEN_BY}

An attempt ends in something that was seen: a status, an acknowledgement, a broken connection, nothing. The first row that fits
decides what it comes to. \`getAttempts\` gives the row's name with each attempt.

| outcome | what follows | an attempt is spent |
|---|---|---|
| \`accepted\` | ACKNOWLEDGED, if an HL7 acknowledgement said so; otherwise SENT | yes |
| \`rejected\` | FAILED at once: the receiver will not take this message, however often it is sent | yes |
| \`retry\` | sent again by the schedule; FAILED after \`maxAttempts\` | yes |
| \`indeterminate\` | it may have arrived; the same bytes are sent again by the schedule, marked \`possibleDuplicate\` for you and not on the wire; FAILED after \`maxIndeterminate\` | yes |
| \`unreachable\` | the destination rests and is probed after 1, 2, 4 … 60 s | no |
| \`throttled\` | the destination rests as long as \`Retry-After\` says (1 s to 1 h), else as for \`unreachable\` | no |
| \`misconfigured\` | credentials, certificate or address are wrong, and the message is not to blame: the destination rests, and is probed every 15 minutes or when a person retries | no |

How the answer is read:

- An HL7 acknowledgement for this message (MSA-2 is its MSH-10) outweighs the HTTP status: 200 with AE is a refusal.
- Of several ERR segments a permanent code beats one that may pass. ERR-4 \`I\` and \`W\` decide nothing.
- What cannot be understood is never taken for acceptance.
- The forms before 2.5 are read too: the code in ERR-1, the words in MSA-3.

## The table

Under each meaning stands an example, which a test judges: a status with the headers that matter and the body, the segments of a
body that came with 200 (segment ends are written \`\\r\`, and the answer's MSH is left out where it says nothing), or what happened
instead of an answer. The message's MSH-10 is \`000TEST42\`. The last column says what a destination's \`outcomes\` may
turn the row into; anything else is refused when the configuration is read. A row \`http-3xx\`, \`http-4xx\` or \`http-5xx\` can also be
overridden for one status (\`http-409\`), which goes before the row.

${table(['row', 'rule', 'what was seen', 'outcome', 'may be overridden to'], rows.map(row))}

One more row stands in the records of attempts and cannot be overridden: \`taken-over\`, \`indeterminate\`. The process that was
sending ended before it could record what came of the attempt.

A refusal that is overridden to \`accepted\` makes the message SENT, never ACKNOWLEDGED, and leaves a warning.

\`\`\`json
{
  "destinations": {
    "malaffi": {
      "url": "https://hl7.example/receive",
      "outcomes": { "http-409": "accepted", "ar": "rejected" }
    }
  }
}
\`\`\`

## Codes of an attempt

\`attempt.code\` and \`failure.code\` name what decided, in one word: \`HTTP_<status>\`, \`ACK_<MSA-1>\` or \`ACK_<MSA-1>_<error code>\`
(\`ACK_AE_101\`), \`ACK_ID_DIFFERS\`, \`ACK_CODE_UNKNOWN\`, \`ACK_UNPARSABLE\`, \`TAKEN_OVER\`, \`EXPIRED\`, \`BODY_DAMAGED\`, or the fault of the
connection in capitals (\`CONNECT_REFUSED\`, \`ANSWER_TIMEOUT\`, \`SERVER_CERTIFICATE_REFUSED\`).

## Warnings

\`message.warning\` of a message that was accepted all the same:

| warning | why somebody should look |
|---|---|
| \`ack-id-cut\` | the receiver echoed only the first 20 bytes of MSH-10 |
| \`ack-id-empty\` | the receiver left MSA-2 empty |
| \`receiver-warned\` | the acknowledgement carries errors of severity I or W, or errors beside an AA |
| \`application-ack-missing\` | MSH-16 asked for an application acknowledgement, and only the commit acknowledgement came |
| \`receiver-had-it\` | the receiver knew the control id already: an attempt in doubt had arrived |
| \`http-status-disagrees\` | the acknowledgement accepted, the HTTP status did not |
| \`accepted-by-override\` | a destination's \`outcomes\` made it so |
| \`no-patient-id\` | there is no PID-3, so the message has a lane of its own |
| \`no-ordering-field\` | the field of \`orderBy\` is empty, so the message has a lane of its own |
`
}

function table(heading, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(heading), `|${heading.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

/** The words of the tables begin in lower case where they continue a sentence; here they stand alone. */
function sentence(words) {
  const ended = /[.!?]$/.test(words) ? words : `${words}.`
  return ended.charAt(0).toUpperCase() + ended.slice(1)
}

async function main() {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
  let outdated = 0
  for (const [path, text] of await pages()) {
    const file = join(root, path)
    let present = null
    try {
      present = readFileSync(file, 'utf8')
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
    }
    if (present === text) continue
    if (values.check) {
      outdated++
      console.error(`${path} is not what the tables say; run \`node scripts/generate-docs.mjs\``)
    } else {
      writeFileSync(file, text)
      console.error(`${path} written`)
    }
  }
  process.exitCode = outdated === 0 ? 0 : 1
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
