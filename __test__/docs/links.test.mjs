// Links between the pages lead somewhere, and a test that a page names as its proof is in the file that it links to.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

import { repositoryFiles } from '../house/files.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const pages = repositoryFiles(root).filter((path) => path.endsWith('.md') && !path.startsWith('npm/'))

/** Links of a page: text, target, and where. Code blocks are not searched. */
function linksOf(page) {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^(`{3,}).*?^\1$/gms, (block) => block.replaceAll(/[^\n]/g, ''))
  return [...text.matchAll(/\[([^\]]+)\]\(([^)\s]+)\)/g)].map(([, words, target]) => ({ page, words, target }))
}

const links = pages.flatMap(linksOf).filter(({ target }) => !/^[a-z]+:/.test(target))

/** GitHub's name for a heading. */
const anchorOf = (heading) => heading.trim().toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')

test('every link between the pages leads to a file, and to a heading that is there', () => {
  const broken = links.filter(({ page, target }) => {
    const [path, anchor] = target.split('#')
    const file = path === '' ? join(root, page) : join(root, dirname(page), path)
    if (!existsSync(file)) return true
    if (anchor === undefined) return false
    return ![...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].some(([, heading]) => anchorOf(heading) === anchor)
  })
  assert.deepEqual(broken.map(({ page, target }) => `${page}: ${target}`), [])
})

test('a test that a page names is in the file that it links to', () => {
  const isTest = ({ target }) => /(^|\/)(__test__|tests|conformance)\/.*\.(mjs|rs)$/.test(target)
  const named = links.filter(isTest)
  assert.ok(named.length > 0)
  const absent = named.filter(({ page, words, target }) => {
    const name = words.replaceAll(/[`“”"]/g, '')
    return !readFileSync(join(root, dirname(page), target), 'utf8').includes(name)
  })
  assert.deepEqual(absent.map(({ page, words, target }) => `${page}: ${words} is not in ${relative(root, join(root, dirname(page), target))}`), [])
})
