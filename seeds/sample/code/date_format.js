// SPDX-License-Identifier: CC0-1.0
"use strict";

const MONTHS = [
  "January", "February", "March", "April", "May", "June",
  "July", "August", "September", "October", "November", "December",
];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const pad = (number, width = 2) => String(number).padStart(width, "0");

// One function per pattern. All of them use UTC, so that the result does not depend on where the program runs.
const PARTS = {
  YYYY: (date) => pad(date.getUTCFullYear(), 4),
  MMMM: (date) => MONTHS[date.getUTCMonth()],
  MMM: (date) => MONTHS[date.getUTCMonth()].slice(0, 3),
  MM: (date) => pad(date.getUTCMonth() + 1), // months are counted from 0
  dddd: (date) => DAYS[date.getUTCDay()],
  DD: (date) => pad(date.getUTCDate()),
  D: (date) => String(date.getUTCDate()),
  HH: (date) => pad(date.getUTCHours()),
  mm: (date) => pad(date.getUTCMinutes()),
  ss: (date) => pad(date.getUTCSeconds()),
};

// Longer patterns come first, otherwise MMMM would be read as MM twice. Text in brackets is copied as it is.
const PATTERN = /\[([^\]]*)\]|YYYY|MMMM|MMM|MM|dddd|DD|D|HH|mm|ss/g;

/** Writes a date by a pattern: formatDate(date, "dddd, D MMMM YYYY") gives "Thursday, 29 February 2024". */
function formatDate(date, pattern) {
  if (Number.isNaN(date.getTime())) throw new RangeError("not a valid date");
  return pattern.replace(PATTERN, (match, literal) => (literal === undefined ? PARTS[match](date) : literal));
}

/** Returns whether a year of the Gregorian calendar has a 29 February. */
function isLeapYear(year) {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

/** Returns the number of days in a month; January is month 1. */
function daysInMonth(year, month) {
  if (month < 1 || month > 12) throw new RangeError(`there is no month ${month}`);
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Adds months without spilling over: 31 January plus one month is the last day of February. */
function addMonths(date, count) {
  const months = date.getUTCFullYear() * 12 + date.getUTCMonth() + count;
  const year = Math.floor(months / 12);
  const month = months - year * 12;
  const day = Math.min(date.getUTCDate(), daysInMonth(year, month + 1));
  return new Date(Date.UTC(year, month, day, date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()));
}

module.exports = { formatDate, isLeapYear, daysInMonth, addMonths };

if (require.main === module) {
  const start = new Date(Date.UTC(2024, 0, 31, 9, 5));
  console.log(formatDate(addMonths(start, 1), "dddd, D MMMM YYYY [at] HH:mm")); // Thursday, 29 February 2024 at 09:05
  console.log(isLeapYear(1900), isLeapYear(2000)); // false true
}
