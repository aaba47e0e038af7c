/**
 * A value as it may stand inside a field, for the delimiters | ^ ~ \ & (HL7 v2.5.1, 2.7.1). A line break becomes \.br\:
 * a raw CR would end the segment and let a note smuggle one in. Other control characters go as \Xhh\.
 */
export function escapeHl7(value: string): string {
  return value.replace(/\r\n|[|^~\\&\u0000-\u001f\u007f]/g, (found) => ESCAPES[found] ?? hex(found))
}

const ESCAPES: Record<string, string> = {
  '|': '\\F\\',
  '^': '\\S\\',
  '~': '\\R\\',
  '\\': '\\E\\',
  '&': '\\T\\',
  '\r\n': '\\.br\\',
  '\r': '\\.br\\',
  '\n': '\\.br\\',
}

function hex(character: string): string {
  return `\\X${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}\\`
}
