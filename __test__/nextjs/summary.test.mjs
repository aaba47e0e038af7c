import assert from 'node:assert/strict'
import test from 'node:test'
import { compareOrder, percentile } from '../../scripts/lib/summary.mjs'

const arrived = (...ids) => ids.map((controlId) => ({ patient: 'p', controlId, taken: true }))

test('the order is compared per patient, and a repeated message counts where it came first', () => {
  const saved = new Map([['p', ['a', 'b', 'c']]])
  assert.deepEqual(compareOrder(saved, arrived('a', 'b', 'a', 'c')), [])
  assert.equal(compareOrder(saved, arrived('b', 'a', 'c')).length, 1)
  assert.equal(compareOrder(saved, arrived('a', 'b')).length, 1, 'a missing message is not in order')
})

test('a percentile is a value that was measured', () => {
  assert.equal(percentile([3, 1, 2], 50), 2)
  assert.equal(percentile([1, 2, 3, 4], 95), 4)
  assert.equal(percentile([7], 95), 7)
})
