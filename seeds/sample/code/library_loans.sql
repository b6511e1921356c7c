-- SPDX-License-Identifier: CC0-1.0
-- The loans of a small library: tables, a rule that the database itself enforces, and three questions to the data.
-- Written for SQLite 3; run it with: sqlite3 :memory: < library_loans.sql

PRAGMA foreign_keys = ON;

CREATE TABLE book (
    id     INTEGER PRIMARY KEY,
    title  TEXT NOT NULL,
    author TEXT NOT NULL
);

CREATE TABLE member (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    joined TEXT NOT NULL CHECK (joined = date(joined))
);

CREATE TABLE loan (
    id        INTEGER PRIMARY KEY,
    book_id   INTEGER NOT NULL REFERENCES book (id),
    member_id INTEGER NOT NULL REFERENCES member (id),
    taken     TEXT NOT NULL,
    due       TEXT NOT NULL,
    returned  TEXT,  -- NULL while the book is out
    CHECK (due > taken),
    CHECK (returned IS NULL OR returned >= taken)
);

-- A copy cannot be lent twice at the same time: only one open loan per book is allowed.
CREATE UNIQUE INDEX one_open_loan ON loan (book_id) WHERE returned IS NULL;

INSERT INTO book (id, title, author) VALUES
    (1, 'Emma', 'Jane Austen'),
    (2, 'Frankenstein', 'Mary Shelley'),
    (3, 'Middlemarch', 'George Eliot'),
    (4, 'Dracula', 'Bram Stoker');

INSERT INTO member (id, name, joined) VALUES
    (1, 'Amira', '2023-01-15'),
    (2, 'Bruno', '2023-06-01'),
    (3, 'Chloe', '2024-02-20');

INSERT INTO loan (book_id, member_id, taken, due, returned) VALUES
    (1, 1, '2024-03-01', '2024-03-22', '2024-03-20'),
    (2, 1, '2024-03-05', '2024-03-26', '2024-04-02'),
    (2, 2, '2024-04-03', '2024-04-24', NULL),
    (4, 2, '2024-04-10', '2024-05-01', NULL),
    (1, 2, '2024-03-25', '2024-04-15', '2024-04-15');

-- 1. Which books are overdue on 30 April 2024, and by how many days?
SELECT b.title, m.name,
       CAST(julianday('2024-04-30') - julianday(l.due) AS INTEGER) AS days_late
FROM loan AS l
JOIN book AS b ON b.id = l.book_id
JOIN member AS m ON m.id = l.member_id
WHERE l.returned IS NULL AND l.due < '2024-04-30'
ORDER BY days_late DESC;

-- 2. How many books has each member borrowed so far? The LEFT JOIN keeps members without any loan.
SELECT m.name, count(l.id) AS loans
FROM member AS m
LEFT JOIN loan AS l ON l.member_id = m.id
GROUP BY m.id
ORDER BY loans DESC, m.name;

-- 3. Which books has nobody ever borrowed?
SELECT title
FROM book
WHERE NOT EXISTS (SELECT 1 FROM loan WHERE loan.book_id = book.id);
