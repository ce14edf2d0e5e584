//! The order of a listing, as the query has it.

/// Which column orders a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Column {
    #[default]
    Name,
    Size,
    Modified,
}

/// A column and a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) column: Column,
    pub(super) is_descending: bool,
}

impl Order {
    /// Reads Apache's words: `C=N;O=D`. The last ones hold.
    pub(super) fn of(query: Option<&str>) -> Self {
        let mut order = Self::default();
        let query = query.unwrap_or_default();
        crate::work::note(query.len());
        for word in query.split([';', '&']) {
            match word {
                "C=N" => order.column = Column::Name,
                "C=S" => order.column = Column::Size,
                "C=M" => order.column = Column::Modified,
                "O=A" => order.is_descending = false,
                "O=D" => order.is_descending = true,
                _ => {}
            }
        }
        order
    }

    /// The order that the head of a column leads to: the other direction where it is this column
    /// already; otherwise what is looked for most, the first name, the largest and the newest.
    pub(super) fn by(self, column: Column) -> Self {
        let is_descending =
            if column == self.column { !self.is_descending } else { column != Column::Name };
        Self { column, is_descending }
    }

    /// The query that asks for it.
    pub(super) fn query(self) -> &'static str {
        match (self.column, self.is_descending) {
            (Column::Name, false) => "?C=N;O=A",
            (Column::Name, true) => "?C=N;O=D",
            (Column::Size, false) => "?C=S;O=A",
            (Column::Size, true) => "?C=S;O=D",
            (Column::Modified, false) => "?C=M;O=A",
            (Column::Modified, true) => "?C=M;O=D",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_none_leave_the_order_as_it_is() {
        let order = |column, is_descending| Order { column, is_descending };
        for (query, expected) in [
            (None, Order::default()),
            (Some(""), Order::default()),
            (Some("C=S;O=D"), order(Column::Size, true)),
            (Some("C=M&O=A"), order(Column::Modified, false)),
            (Some("O=D"), order(Column::Name, true)),
            (Some("C=S"), order(Column::Size, false)),
            (Some("C=X;O=D"), order(Column::Name, true)),
            (Some("c=S;O=d;C=;C=SS;=;;C=M "), Order::default()),
            (Some("C=S;C=M;O=D;O=A"), order(Column::Modified, false)),
            (Some("C%3DS"), Order::default()),
        ] {
            assert_eq!(Order::of(query), expected, "{query:?}");
        }
    }

    #[test]
    fn the_query_of_each_order_leads_to_it() {
        for column in [Column::Name, Column::Size, Column::Modified] {
            for is_descending in [false, true] {
                let order = Order { column, is_descending };
                assert_eq!(Order::of(order.query().strip_prefix('?')), order);
                assert_eq!(order.by(column), Order { column, is_descending: !is_descending });
            }
        }
        assert_eq!(Order::default().by(Column::Size).query(), "?C=S;O=D");
    }
}
