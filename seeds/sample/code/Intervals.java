// SPDX-License-Identifier: CC0-1.0

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Finds free times in a calendar. Busy times may overlap and come in any order; they are merged first,
 * and what lies between the merged times is free.
 */
public final class Intervals {

    /** A stretch of time in minutes after midnight; the end itself does not belong to it. */
    public record Interval(int start, int end) {
        public Interval {
            if (start >= end) {
                throw new IllegalArgumentException("an interval must end after it starts: " + start + " to " + end);
            }
        }

        public int length() {
            return end - start;
        }

        @Override
        public String toString() {
            return clock(start) + "-" + clock(end);
        }

        private static String clock(int minutes) {
            return String.format("%02d:%02d", minutes / 60, minutes % 60);
        }
    }

    private Intervals() {
    }

    /** Returns the same times as few intervals, sorted, with overlapping and touching ones joined. */
    public static List<Interval> merge(List<Interval> intervals) {
        List<Interval> sorted = new ArrayList<>(intervals);
        sorted.sort(Comparator.comparingInt(Interval::start));
        List<Interval> merged = new ArrayList<>();
        for (Interval next : sorted) {
            int last = merged.size() - 1;
            if (last >= 0 && next.start() <= merged.get(last).end()) {
                Interval open = merged.get(last);
                // The earlier interval may already reach beyond the later one, hence the maximum.
                merged.set(last, new Interval(open.start(), Math.max(open.end(), next.end())));
            } else {
                merged.add(next);
            }
        }
        return merged;
    }

    /** Returns the gaps of at least {@code minutes} within {@code day} that no busy time touches. */
    public static List<Interval> free(Interval day, List<Interval> busy, int minutes) {
        List<Interval> gaps = new ArrayList<>();
        int from = day.start();
        for (Interval taken : merge(busy)) {
            int until = Math.min(taken.start(), day.end());
            if (until - from >= minutes && until > from) {
                gaps.add(new Interval(from, until));
            }
            from = Math.max(from, taken.end());
        }
        if (day.end() - from >= minutes && day.end() > from) {
            gaps.add(new Interval(from, day.end()));
        }
        return gaps;
    }

    public static void main(String[] args) {
        Interval day = new Interval(9 * 60, 17 * 60);
        List<Interval> busy = List.of(
                new Interval(13 * 60, 14 * 60),
                new Interval(9 * 60 + 30, 10 * 60 + 30),
                new Interval(10 * 60, 11 * 60),
                new Interval(16 * 60 + 30, 18 * 60));
        System.out.println("busy: " + merge(busy));
        System.out.println("free for an hour: " + free(day, busy, 60));
    }
}
