// Another SQLite than ours reads whole files through. One process of it stays: starting Python takes longer than the check.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const SCRIPT = `
import json, sqlite3, sys
for line in sys.stdin:
    found = []
    try:
        connection = sqlite3.connect(json.loads(line))
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
        found += ["a reference from " + str(row[0]) + " leads nowhere" for row in connection.execute("PRAGMA foreign_key_check")][:5]
        connection.close()
    except sqlite3.Error as error:
        found.append(str(error))
    print(json.dumps(found), flush=True)
`

/** Answers `{ damageOf(path), end() }`; damageOf resolves with a list of what is wrong with the file. */
export function startIntegrity() {
  const python = spawn('python3', ['-c', SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(python, 'exit')
  const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]()
  return {
    async damageOf(path) {
      python.stdin.write(`${JSON.stringify(path)}\n`)
      const { value, done } = await answers.next()
      if (done) throw new Error('python3 ended')
      return JSON.parse(value).map((words) => `damaged: ${words}`)
    },
    async end() {
      python.stdin.end()
      await ended
    },
  }
}
