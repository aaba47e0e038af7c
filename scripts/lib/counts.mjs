// Reads how many tests ran from what the test runners print.

const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, 'g')

const plain = (text) => text.replace(escapes, '')

function sum(text, pattern) {
  let total = 0
  for (const match of text.matchAll(pattern)) total += Number(match[1])
  return total
}

/** `Summary [ 0.1s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 3 skipped` */
export function countNextest(output) {
  const line = plain(output).split('\n').findLast((each) => /^\s*Summary \[/.test(each)) ?? ''
  return {
    passed: sum(line, /(\d+) passed/g),
    failed: sum(line, /(\d+) (?:failed|timed out|exec failed)\b/g),
    skipped: sum(line, /(\d+) skipped/g),
  }
}

/** `test result: ok. 3 passed; 0 failed; 1 ignored; …`, once per test binary. */
export function countCargoTest(output) {
  const lines = plain(output).split('\n').filter((each) => each.startsWith('test result:')).join('\n')
  return { passed: sum(lines, /(\d+) passed/g), failed: sum(lines, /(\d+) failed/g), skipped: sum(lines, /(\d+) ignored/g) }
}

/** The last lines of node:test in TAP: `# pass 3`, `# fail 0`, `# cancelled 0`, `# skipped 0`, `# todo 0`. */
export function countTap(output) {
  const tail = output.slice(output.lastIndexOf('\n# tests '))
  return {
    passed: sum(tail, /^# pass (\d+)$/gm),
    failed: sum(tail, /^# (?:fail|cancelled) (\d+)$/gm),
    skipped: sum(tail, /^# (?:skipped|todo) (\d+)$/gm),
  }
}

/** The one plain line that ends every test command. */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
