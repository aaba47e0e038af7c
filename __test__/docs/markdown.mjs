/** The fenced code blocks of a Markdown text: line, language, the other words of the info string, and the code. */
export function codeBlocks(text) {
  const blocks = []
  let open = null
  let given = ''
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})\s*(.*)$/.exec(line)
    if (open === null && fence) {
      const [language = '', ...words] = fence[3].trim().split(/\s+/)
      open = { block: { line: index + 1, language, words, given }, lines: [], fence: fence[2], indent: fence[1].length }
    } else if (open !== null && fence && fence[3] === '' && fence[2].startsWith(open.fence)) {
      blocks.push({ ...open.block, code: `${open.lines.join('\n')}\n` })
      open = null
      given = ''
    } else if (open !== null) {
      open.lines.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)))
    } else if (line.trim() !== '') {
      // What a block takes for granted, unseen by readers: <!-- given: declare const hl7: string -->
      given = /^\s*<!-- given: (.*) -->\s*$/.exec(line)?.[1] ?? ''
    }
  }
  if (open !== null) throw new Error(`the code block at line ${open.block.line} is never closed`)
  return blocks
}

/** The commands of a shell block: prompts and comments removed, continued lines joined, `&&`, `||`, `;` and `|` split. */
export function shellCommands(code) {
  return code
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.replace(/^\s*[$#] (?=\S)/, (prompt) => (prompt.includes('$') ? '' : prompt)).replace(/(^|\s)#.*$/, '').trim())
    .flatMap((line) => line.split(/\s*(?:&&|\|\||;|\|)\s*/))
    .map((command) => command.replace(/^(?:[A-Z][A-Z0-9_]*=(?:"[^"]*"|'[^']*'|\S*)\s+)+/, '').trim())
    .filter((command) => command !== '')
}
