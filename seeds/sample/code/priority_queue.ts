// SPDX-License-Identifier: CC0-1.0

/** Tells which of two items comes first: negative for the first, positive for the second, 0 for either. */
export type Compare<T> = (a: T, b: T) => number;

/**
 * A priority queue kept as a binary heap in an array. The children of the item at index i stand at 2i + 1 and
 * 2i + 2, and no item comes after its children. The first item is therefore always the next one to leave.
 * Adding and removing take time proportional to the logarithm of the number of items.
 */
export class PriorityQueue<T> {
  private readonly heap: T[] = [];

  constructor(private readonly compare: Compare<T>, items: Iterable<T> = []) {
    for (const item of items) this.push(item);
  }

  get size(): number {
    return this.heap.length;
  }

  /** Returns the item that would leave next, without removing it. */
  peek(): T | undefined {
    return this.heap[0];
  }

  push(item: T): void {
    this.heap.push(item);
    this.siftUp(this.heap.length - 1);
  }

  /** Removes and returns the first item; returns undefined if the queue is empty. */
  pop(): T | undefined {
    const first = this.heap[0];
    const last = this.heap.pop();
    if (this.heap.length > 0 && last !== undefined) {
      // The last item fills the gap at the top and then sinks to where it belongs.
      this.heap[0] = last;
      this.siftDown(0);
    }
    return first;
  }

  /** Removes the items one after another, in order. */
  *drain(): Generator<T> {
    while (this.heap.length > 0) yield this.pop() as T;
  }

  private siftUp(index: number): void {
    while (index > 0) {
      const parent = Math.floor((index - 1) / 2);
      if (this.compare(this.heap[parent], this.heap[index]) <= 0) return;
      this.swap(parent, index);
      index = parent;
    }
  }

  private siftDown(index: number): void {
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      let smallest = index;
      if (left < this.heap.length && this.compare(this.heap[left], this.heap[smallest]) < 0) smallest = left;
      if (right < this.heap.length && this.compare(this.heap[right], this.heap[smallest]) < 0) smallest = right;
      if (smallest === index) return;
      this.swap(smallest, index);
      index = smallest;
    }
  }

  private swap(i: number, j: number): void {
    [this.heap[i], this.heap[j]] = [this.heap[j], this.heap[i]];
  }
}

interface Patient {
  name: string;
  urgency: number; // 1 is the most urgent
  arrived: number; // minutes after the doors opened
}

/** The order of a waiting room: first by urgency, then by time of arrival. */
export const byUrgency: Compare<Patient> = (a, b) => a.urgency - b.urgency || a.arrived - b.arrived;

const waiting = new PriorityQueue(byUrgency, [
  { name: "Ines", urgency: 3, arrived: 0 },
  { name: "Tom", urgency: 1, arrived: 12 },
  { name: "Lea", urgency: 3, arrived: 4 },
]);
console.log([...waiting.drain()].map((patient) => patient.name).join(", ")); // Tom, Ines, Lea
