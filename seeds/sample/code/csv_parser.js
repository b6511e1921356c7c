// SPDX-License-Identifier: CC0-1.0
"use strict";

/**
 * Parses CSV text as described in RFC 4180: fields are separated by commas, a field may be enclosed in double
 * quotes, and inside such a field a doubled quote stands for one quote. A quoted field may contain commas and
 * line breaks. Splitting each line at its commas would get all of these cases wrong.
 */
function parseCsv(text, separator = ",") {
  const rows = [];
  let row = [];
  let field = "";
  let quoted = false;
  // True once anything was read since the last line break, so that a final line break adds no empty row.
  let pending = false;

  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quoted) {
      if (char !== '"') {
        field += char;
      } else if (text[i + 1] === '"') {
        field += '"';
        i++; // skip the second of the two quotes
      } else {
        quoted = false;
      }
      continue;
    }
    if (char === '"' && field === "") {
      quoted = true;
      pending = true;
    } else if (char === separator) {
      row.push(field);
      field = "";
      pending = true;
    } else if (char === "\n" || char === "\r") {
      if (char === "\r" && text[i + 1] === "\n") i++;
      row.push(field);
      rows.push(row);
      row = [];
      field = "";
      pending = false;
    } else {
      field += char;
      pending = true;
    }
  }
  if (quoted) throw new SyntaxError("the text ends inside a quoted field");
  if (pending) {
    row.push(field);
    rows.push(row);
  }
  return rows;
}

/** Turns rows into objects, with the first row as the names of the properties. */
function parseRecords(text) {
  const [header, ...rows] = parseCsv(text);
  if (!header) return [];
  return rows.map((row, index) => {
    if (row.length !== header.length) {
      throw new RangeError(`row ${index + 2} has ${row.length} fields, the header has ${header.length}`);
    }
    return Object.fromEntries(header.map((name, column) => [name, row[column]]));
  });
}

/** Writes rows as CSV, with quotes only where they are needed. */
function formatCsv(rows) {
  const quote = (value) => {
    const text = String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(quote).join(",")).join("\n") + "\n";
}

module.exports = { parseCsv, parseRecords, formatCsv };

if (require.main === module) {
  const sample = 'name,remark\nAda,"said ""yes"", twice"\nBob,"two\nlines"\n';
  console.log(parseRecords(sample));
  console.log(formatCsv(parseCsv(sample)) === sample); // true
}
